#include "ops/cli/unknown_words.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <numeric>

namespace mayfly::cli {
namespace {

/// Levenshtein's distance: letters to add, drop or change.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (char const letter : from) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < to.size(); ++j) {
      auto const above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (letter == to[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

/// The nearest of `known`; empty where none is near.
std::string nearest(std::string const& word, std::vector<std::string> const& known) {
  std::string best;
  auto least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (auto const& one : known) {
    auto const far = word.size() > 2 && one.starts_with(word) ? 1 : distance(word, one);
    if (far < least) {
      least = far;
      best = one;
    }
  }
  return best;
}

std::string spelt(CLI::App const& command) {
  return command.get_parent() == nullptr ? "mayfly" : spelt(*command.get_parent()) + " " + command.get_name();
}

std::vector<CLI::App const*> commands_of(CLI::App const& app) {
  return app.get_subcommands([](CLI::App const*) { return true; });
}

std::vector<std::string> names_of(CLI::App const& app) {
  std::vector<std::string> names;
  for (auto const* command : commands_of(app)) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> options_of(CLI::App const& app) {
  std::vector<std::string> names;
  for (auto const* option : app.get_options())
    for (auto const& spelling : option->get_lnames()) names.push_back("--" + spelling);
  return names;
}

std::string sentence(CLI::App const& here, std::string const& what, std::string const& near) {
  return what + (near.empty() ? ". " : ": did you mean " + near + "? ") + "`" + spelt(here) +
         " --help` lists what there is.";
}

} // namespace

std::optional<std::string> unknown_word(CLI::App const& app, std::vector<std::string> const& words) {
  auto const* here = &app;
  for (std::size_t index = 0; index < words.size(); ++index) {
    auto const& word = words[index];
    if (word == "--") return std::nullopt;
    if (word.starts_with("--")) {
      auto const spelling = word.substr(0, word.find('='));
      auto const* option = here->get_option_no_throw(spelling);
      if (option == nullptr)
        return sentence(*here, "`" + spelt(*here) + "` has no option " + spelling,
                        nearest(spelling, options_of(*here)));
      if (option->get_items_expected_max() > 0 && spelling == word) ++index; // its value
      continue;
    }
    auto const commands = commands_of(*here);
    if (commands.empty() || word.starts_with("-")) continue;
    auto const found = std::ranges::find(commands, word, [](auto const* one) { return one->get_name(); });
    if (found == commands.end())
      return sentence(*here, "`" + spelt(*here) + "` has no command " + word, nearest(word, names_of(*here)));
    here = *found;
  }
  auto const names = names_of(*here);
  if (names.empty()) return std::nullopt;
  std::string all;
  for (auto const& name : names) all += (all.empty() ? "" : ", ") + name;
  return sentence(*here, "`" + spelt(*here) + "` needs a command: " + all, "");
}

} // namespace mayfly::cli
