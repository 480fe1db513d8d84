#include "ops/cli/completion.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <sstream>
#include <vector>

namespace mayfly::cli {
namespace {

/// From a command ("keys trust", "" for none yet) to the words that may follow it.
using word_map = std::map<std::string, std::vector<std::string>>;

void collect(CLI::App const& app, std::string const& path, word_map& words) {
  auto& here = words[path];
  for (auto const* option : app.get_options())
    for (auto const& spelling : option->get_lnames()) here.push_back("--" + spelling);
  for (auto const* command : app.get_subcommands([](CLI::App const*) { return true; })) {
    here.push_back(command->get_name());
    collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), words);
  }
}

std::string joined(std::vector<std::string> const& words) {
  std::string all;
  for (auto const& word : words) all += (all.empty() ? "" : " ") + word;
  return all;
}

/// bash; zsh runs the same through bashcompinit.
std::string bash_script(word_map const& words) {
  std::string script = "_mayfly() {\n  local path= word words\n"
                       "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                       "    case $word in -*) ;; *) path=\"${path:+$path }$word\" ;; esac\n  done\n"
                       "  case $path in\n";
  for (auto const& [path, next] : words) script += "    '" + path + "') words='" + joined(next) + "' ;;\n";
  return script +
         "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
         "complete -F _mayfly mayfly\n";
}

std::string fish_script(word_map const& words) {
  std::string script;
  for (auto const& [path, next] : words) {
    // Each word of the path must stand there: `__fish_seen_subcommand_from a b` is content with one of them.
    std::string when = path.empty() ? "__fish_use_subcommand" : "";
    std::istringstream parts(path);
    for (std::string part; parts >> part;)
      when += (when.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + part);
    for (auto const& word : next)
      script += "complete -c mayfly -n '" + when + "' " +
                (word.starts_with("--") ? "-l " + word.substr(2) : "-f -a " + word) + "\n";
  }
  return script;
}

} // namespace

std::string completion_script(CLI::App const& app, std::string const& shell) {
  word_map words;
  collect(app, "", words);
  if (shell == "bash") return bash_script(words);
  if (shell == "zsh") return "autoload -Uz bashcompinit && bashcompinit\n" + bash_script(words);
  if (shell == "fish") return fish_script(words);
  return {};
}

} // namespace mayfly::cli
