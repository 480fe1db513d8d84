#include "cluster/node/cluster_file.hpp"

#include "actors/api/json_writer.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace mayfly::node {
namespace {

using actors::api::json_writer;

template <class Range, class Write>
void write_array(json_writer& out, Range const& elements, Write write) {
  out.raw("[");
  bool first = true;
  for (auto const& element : elements) {
    if (!std::exchange(first, false)) out.raw(", ");
    write(element);
  }
  out.raw("]");
}

/// In locked memory: the text holds the API key.
ephemeral_text body_of(cluster_file const& file) {
  ephemeral_text text;
  json_writer out(text);
  out.raw("{\"url\": ").string(file.url).raw(", \"api_key\": ").string(file.api_key.reveal());
  out.raw(", \"model\": ").string(file.model).raw(", \"ready\": ").boolean(file.ready).raw(", \"urls\": ");
  write_array(out, file.urls, [&](std::string const& url) { out.string(url); });
  out.raw(", \"admin_url\": ").string(file.admin_url);
  if (!file.certificate.empty()) out.raw(", \"certificate\": ").string(file.certificate);
  out.raw(", \"receipt_key\": ").string(file.receipt_key);
  out.raw(", \"join\": ").string(file.join).raw(", \"processes\": ");
  write_array(out, file.processes, [&](cluster_file::process const& process) {
    out.raw("{\"pid\": ").number(process.pid).raw(", \"role\": ").string(process.role).raw("}");
  });
  out.raw("}\n");
  return text;
}

error failed(literal what) { return error{errc::io, what, errno}; }

} // namespace

result<void> write_cluster_file(std::filesystem::path const& path, cluster_file const& file) {
  auto const body = body_of(file);
  auto next = path;
  next += ".new";
  unlink(next.c_str());
  int const descriptor = open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("cluster.json could not be made");
  auto const text = body.reveal();
  bool const whole = write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(descriptor);
  if (!whole || rename(next.c_str(), path.c_str()) != 0) return failed("cluster.json could not be written");
  return {};
}

} // namespace mayfly::node
