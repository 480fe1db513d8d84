#include "cluster/node/cluster_file.hpp"

#include "actors/api/json_writer.hpp"
#include "cluster/node/private_file.hpp"

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

} // namespace

result<void> write_cluster_file(std::filesystem::path const& path, cluster_file const& file) {
  return replace_private_file(path, body_of(file).reveal());
}

} // namespace mayfly::node
