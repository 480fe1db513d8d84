#include "cluster/node/private_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace mayfly::node {
namespace {

error failed(literal what) { return error{errc::io, what, errno}; }

} // namespace

result<void> replace_private_file(std::filesystem::path const& path, std::string_view text) {
  auto next = path;
  next += ".new";
  unlink(next.c_str());
  int const descriptor = open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("a file of the cluster could not be made");
  bool const whole = write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(descriptor);
  if (!whole || rename(next.c_str(), path.c_str()) != 0)
    return failed("a file of the cluster could not be written");
  return {};
}

} // namespace mayfly::node
