#pragma once
// Where a log's lines go: a file that rolls by size, or a descriptor. Several processes may write to one
// file: each holds its lock (flock) while it writes or rolls, and follows when another has rolled it.
#include "protocol/base/result.hpp"

#include <filesystem>
#include <string_view>

namespace mayfly::actors {

class log_output {
public:
  /// With an empty path lines go to `descriptor`, which stays open; -1: nowhere.
  log_output(std::filesystem::path path, int descriptor, std::size_t roll_bytes, unsigned kept_files);
  log_output(log_output const&) = delete;
  log_output& operator=(log_output const&) = delete;
  ~log_output();

  /// Errors: io (`number` is errno).
  result<void> open();
  /// Whole lines. False if the disk or the descriptor does not take them.
  bool write(std::string_view lines);

private:
  std::filesystem::path numbered(unsigned number) const;
  bool write_locked(std::string_view lines, bool& rolled);
  bool is_current() const;
  void roll();
  void close_file();

  std::filesystem::path path_;
  std::size_t roll_bytes_;
  unsigned kept_files_;
  int descriptor_;
};

} // namespace mayfly::actors
