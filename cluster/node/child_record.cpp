#include "cluster/node/child_record.hpp"

#include "cluster/node/private_file.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace mayfly::node {
namespace {

/// When the process started, in the kernel's ticks since boot: with its id it names one process for good. 0:
/// there is none, or nothing but its exit status. Source: proc(5), fields 3 and 22 of stat; the second may
/// hold anything, in parentheses.
std::uint64_t started_at(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  auto const past_name = text.rfind(')');
  if (past_name == std::string::npos || text.compare(past_name, 3, ") Z") == 0) return 0;
  std::size_t at = past_name + 1;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at, nullptr, 10);
}

struct recorded {
  node_id node;
  pid_t pid = 0;
  std::uint64_t started = 0;
  bool runs() const { return pid > 0 && started != 0 && started_at(pid) == started; }
};

std::vector<recorded> read(std::filesystem::path const& file) {
  std::vector<recorded> found;
  std::ifstream in(file);
  std::string node;
  for (recorded one; in >> node >> one.pid >> one.started;)
    if (auto const id = node_id::parse(node)) {
      one.node = *id;
      found.push_back(one);
    }
  return found;
}

} // namespace

std::vector<node_id> child_record::gone(std::chrono::milliseconds patience) const {
  auto const children = read(file_);
  for (auto const& one : children)
    if (one.runs()) kill(one.pid, SIGKILL);
  auto const until = std::chrono::steady_clock::now() + patience;
  while (std::ranges::any_of(children, &recorded::runs) && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::vector<node_id> ended;
  for (auto const& one : children)
    if (!one.runs()) ended.push_back(one.node);
  return ended;
}

result<void> child_record::write(std::vector<entry> const& children) const {
  std::ostringstream text;
  for (auto const& one : children)
    text << one.node.text() << ' ' << one.pid << ' ' << (one.pid > 0 ? started_at(one.pid) : 0) << '\n';
  return replace_private_file(file_, text.view());
}

} // namespace mayfly::node
