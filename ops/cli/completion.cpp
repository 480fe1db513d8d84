#include "ops/cli/completion.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

namespace mayfly::cli {
namespace {

/// What a shell offers where a value is due.
enum class offer { nothing, files, folders };

/// What may follow a command ("keys trust", "" for none yet).
struct place {
  std::vector<std::string> commands;
  std::vector<std::string> choices;     ///< of a positional
  offer positional = offer::nothing;    ///< where it is no choice
  std::vector<std::string> flags;       ///< take no value
  std::map<std::string, offer> options; ///< take one
};
using places = std::map<std::string, place>;

offer offer_of(CLI::Option const& option) {
  auto const type = option.get_type_name();
  return type.starts_with("FILE")     ? offer::files
         : type.starts_with("FOLDER") ? offer::folders
                                      : offer::nothing;
}

/// "{bash,zsh,fish}" at the end of a type's name, as CLI11 writes what it checks.
std::vector<std::string> choices_of(CLI::Option const& option) {
  auto const type = option.get_type_name();
  auto const begin = type.find('{');
  if (begin == std::string::npos || !type.ends_with('}')) return {};
  std::istringstream text(type.substr(begin + 1, type.size() - begin - 2));
  std::vector<std::string> choices;
  for (std::string one; std::getline(text, one, ',');) choices.push_back(one);
  return choices;
}

void add_option(CLI::Option const& option, place& here) {
  if (option.get_positional()) {
    here.choices = choices_of(option);
    here.positional = std::max(here.positional, offer_of(option));
  }
  for (auto const& spelling : option.get_lnames())
    if (option.get_items_expected_max() == 0)
      here.flags.push_back("--" + spelling);
    else
      here.options["--" + spelling] = offer_of(option);
}

void collect(CLI::App const& app, std::string const& path, places& all) {
  auto& here = all[path];
  for (auto const* option : app.get_options()) add_option(*option, here);
  for (auto const* command : app.get_subcommands([](CLI::App const*) { return true; })) {
    here.commands.push_back(command->get_name());
    collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), all);
  }
}

std::string joined(std::vector<std::string> const& words, std::string_view between = " ") {
  std::string all;
  for (auto const& word : words) all.append(all.empty() ? "" : between).append(word);
  return all;
}

std::string_view in_bash(offer what) {
  return what == offer::files ? "files" : what == offer::folders ? "folders" : "nothing";
}

/// "    'keys trust') commands='' ..." and the cases of `value_of`.
void write_place(std::string const& path, place const& here, std::string& cases, std::string& values) {
  std::vector<std::string> options = here.flags;
  for (auto const& [option, what] : here.options) {
    options.push_back(option);
    values += "      '" + path + " " + option + "') value=" + std::string(in_bash(what)) + " ;;\n";
  }
  cases += "    '" + path + "') words='" + joined(here.commands) + joined(here.choices) + "' options='" +
           joined(options) + "' rest=" + std::string(in_bash(here.positional)) + " ;;\n";
}

constexpr char const* bash_head =
    R"(_mayfly_value() { # COMMAND OPTION: what is offered as its value; empty: it takes none
  value=
  case "$1 $2" in
)";
constexpr char const* bash_place = R"(  esac
}
_mayfly_place() { # COMMAND: what may follow
  words= options= rest=nothing known=1
  case $1 in
)";
// Words are read from the left, since an option's value and a positional may be spelt like a command. Bash
// takes '=' for a word of its own.
constexpr char const* bash_tail = R"(    *) known= ;;
  esac
}
_mayfly() {
  local path= value= words= options= rest= known= index word next here="${COMP_WORDS[COMP_CWORD]}"
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    case $word in
      =) continue ;;
      -*)
        _mayfly_value "$path" "$word"
        next=${COMP_WORDS[index + 1]}
        [ -n "$value" ] || continue
        if [ "$next" = = ]; then index=$((index + 1)); fi
        index=$((index + 1))
        if [ $index -lt $COMP_CWORD ]; then value=; continue; fi
        [ "$here" != = ] || here=
        ;;
      *)
        _mayfly_place "${path:+$path }$word"
        [ -z "$known" ] || path="${path:+$path }$word"
        ;;
    esac
  done
  _mayfly_place "$path"
  if [ -z "$value" ]; then
    case $here in -*) words=$options ;; *) value=$rest ;; esac
    COMPREPLY=($(compgen -W "$words" -- "$here"))
    [ ${#COMPREPLY[@]} -gt 0 ] || [ "$value" != nothing ] || COMPREPLY=($(compgen -W "$options" -- "$here"))
  else
    COMPREPLY=()
  fi
  case $value in
    files) COMPREPLY+=($(compgen -f -- "$here")); type compopt >/dev/null 2>&1 && compopt -o filenames 2>/dev/null ;;
    folders) COMPREPLY+=($(compgen -d -- "$here")); type compopt >/dev/null 2>&1 && compopt -o filenames 2>/dev/null ;;
  esac
  return 0
}
complete -F _mayfly mayfly
)";

/// bash; zsh runs the same through bashcompinit.
std::string bash_script(places const& all) {
  std::string cases, values;
  for (auto const& [path, here] : all) write_place(path, here, cases, values);
  return bash_head + values + bash_place + cases + bash_tail;
}

/// Each word of the path must stand there: `__fish_seen_subcommand_from a b` is content with one of them.
std::string fish_condition(std::string const& path) {
  std::string when = path.empty() ? "__fish_use_subcommand" : "";
  std::istringstream parts(path);
  for (std::string part; parts >> part;)
    when += (when.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + part);
  return when;
}

/// -f: no files; -r: a value follows; -F: files do; -x: both -r and -f.
std::string fish_script(places const& all) {
  std::string script = "complete -c mayfly -f\n";
  for (auto const& [path, here] : all) {
    auto const line = "complete -c mayfly -n '" + fish_condition(path) + "' ";
    for (auto const& word : here.commands) script += line + "-a " + word + "\n";
    for (auto const& word : here.choices) script += line + "-a " + word + "\n";
    if (here.positional == offer::files) script += line + "-F\n";
    for (auto const& flag : here.flags) script += line + "-l " + flag.substr(2) + "\n";
    for (auto const& [option, what] : here.options)
      script += line + "-l " + option.substr(2) +
                (what == offer::files     ? " -r -F"
                 : what == offer::folders ? " -x -a '(__fish_complete_directories)'"
                                          : " -x") +
                "\n";
  }
  return script;
}

} // namespace

std::string completion_script(CLI::App const& app, std::string const& shell) {
  places all;
  collect(app, "", all);
  if (shell == "bash") return bash_script(all);
  if (shell == "zsh") return "autoload -Uz bashcompinit && bashcompinit\n" + bash_script(all);
  if (shell == "fish") return fish_script(all);
  return {};
}

} // namespace mayfly::cli
