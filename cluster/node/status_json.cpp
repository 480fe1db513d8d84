#include "cluster/node/status_json.hpp"

#include "actors/api/message_json.hpp"
#include "cluster/node/role_names.hpp"

namespace mayfly::node {
namespace {

using actors::api::json_writer;

template <class Report>
void write_report(json_writer& out, std::string_view key, std::optional<Report> const& report) {
  if (!report) return;
  out.raw(", ").string(key).raw(": ");
  actors::api::write_message(out, *report);
}

void write_ranks(json_writer& out, std::vector<messages::rank_report> const& ranks) {
  out.raw(", \"ranks\": [");
  bool first = true;
  for (auto const& rank : ranks) {
    if (!std::exchange(first, false)) out.raw(", ");
    actors::api::write_message(out, rank);
  }
  out.raw("]");
}

void write_node(json_writer& out, actors::node_status const& node) {
  out.raw("{\"node\": ").string(node.member.node.text()).raw(", \"roles\": [");
  bool first = true;
  for (auto const& [role, spelling] : role_names) {
    if (!has_role(node.member.roles, role)) continue;
    if (!std::exchange(first, false)) out.raw(", ");
    out.string(spelling);
  }
  out.raw("], \"endpoint\": ").string(node.member.endpoint.view());
  out.raw(", \"region\": ").string(node.member.region.view());
  out.raw(", \"linked\": ").boolean(node.linked);
  if (!node.linked) out.raw(", \"lost_ms\": ").number(std::int64_t{node.lost_for.count()});
  write_report(out, "worker", node.worker);
  if (!node.ranks.empty()) write_ranks(out, node.ranks);
  write_report(out, "gateway", node.gateway);
  write_report(out, "retention", node.retention);
  out.raw("}");
}

} // namespace

std::string status_json(actors::cluster_status const& status) {
  ephemeral_text text;
  json_writer out(text);
  out.raw("{\"nodes\": [");
  for (std::size_t index = 0; index < status.nodes.size(); ++index) {
    if (index != 0) out.raw(", ");
    write_node(out, status.nodes[index]);
  }
  out.raw("], \"decode_tokens_per_second\": ").number(status.decode_tokens_per_second);
  out.raw(", \"prefill_tokens_per_second\": ").number(status.prefill_tokens_per_second).raw("}");
  return std::string(text.reveal());
}

} // namespace mayfly::node
