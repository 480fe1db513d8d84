#include "ops/cli/table.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace mayfly::cli {

table::table(std::initializer_list<char const*> headings) {
  for (std::string heading : headings) {
    is_number_.push_back(heading.front() == '>');
    rows_.front().push_back(is_number_.back() ? heading.substr(1) : std::move(heading));
  }
}

void table::add(std::vector<std::string> cells) {
  cells.resize(is_number_.size());
  rows_.push_back(std::move(cells));
}

std::string table::text() const {
  std::vector<std::size_t> widths(is_number_.size());
  for (auto const& row : rows_)
    for (std::size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], row[column].size());
  std::string all;
  for (auto const& row : rows_) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      std::string const padding(widths[column] - row[column].size(), ' ');
      line +=
          (column == 0 ? "" : "  ") + (is_number_[column] ? padding + row[column] : row[column] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    all += line + '\n';
  }
  return all;
}

std::string decimal(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

} // namespace mayfly::cli
