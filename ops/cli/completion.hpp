#pragma once
#include <string>

namespace CLI {
class App;
}

namespace mayfly::cli {

/// A completion script for `shell` (bash, zsh or fish), made from the commands and options themselves. Empty
/// for another shell.
std::string completion_script(CLI::App const& app, std::string const& shell);

} // namespace mayfly::cli
