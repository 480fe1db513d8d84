#pragma once
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace mayfly::cli {

/// Which of `words` (the command line, left to right) is a command or option that `app` does not have, in a
/// sentence that proposes the nearest one; or that a command is missing. Nothing where every word is known.
std::optional<std::string> unknown_word(CLI::App const& app, std::vector<std::string> const& words);

} // namespace mayfly::cli
