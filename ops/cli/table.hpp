#pragma once
// Tables for a terminal: each column as wide as its widest cell. Headings with a leading '>' are of numbers:
// their column stands to the right.
#include <initializer_list>
#include <string>
#include <vector>

namespace mayfly::cli {

class table {
public:
  explicit table(std::initializer_list<char const*> headings);

  void add(std::vector<std::string> cells); ///< missing ones at the end stay empty
  bool empty() const noexcept { return rows_.size() == 1; }

  /// Headings and rows, a line each.
  std::string text() const;

private:
  std::vector<bool> is_number_;
  std::vector<std::vector<std::string>> rows_{{}};
};

/// `value` with as many decimals.
std::string decimal(double value, int decimals = 0);

} // namespace mayfly::cli
