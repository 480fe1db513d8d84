#include "actors/operations/metrics.hpp"

#include <charconv>
#include <initializer_list>

namespace mayfly::actors {
namespace {

struct label {
  std::string_view key;
  std::string value;
};

/// Label values are ids and names: neither needs escaping.
class exposition {
public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    out_.append("# HELP ").append(name).append(" ").append(help);
    out_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  }
  template <class Number>
  void sample(std::initializer_list<label> labels, Number value) {
    out_ += name_;
    char separator = '{';
    for (auto const& each : labels) {
      out_ += separator;
      out_.append(each.key).append("=\"").append(each.value).append("\"");
      separator = ',';
    }
    if (labels.size() != 0) out_ += '}';
    char digits[40];
    auto const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(" ").append(digits, end).append("\n");
  }
  std::string take() { return std::move(out_); }

private:
  std::string out_;
  std::string_view name_;
};

/// One sample a linked node that has reported: the last words of one that is gone count no more.
template <class Report, class Value>
void per_node(exposition& out, cluster_status const& status, std::optional<Report> node_status::* report,
              Value value) {
  for (auto const& node : status.nodes)
    if (node.linked && node.*report) out.sample({{"node", node.member.node.text()}}, value(*(node.*report)));
}

template <class Value>
void per_model(exposition& out, cluster_status const& status, Value value) {
  for (auto const& node : status.nodes) {
    if (!node.linked || !node.worker) continue;
    for (auto const& load : node.worker->models)
      out.sample({{"node", node.member.node.text()}, {"model", load.model.text()}}, value(load));
  }
}

void write_nodes(exposition& out, cluster_status const& status) {
  out.family("mayfly_node_linked", "gauge", "1 if the node is linked.");
  for (auto const& node : status.nodes) out.sample({{"node", node.member.node.text()}}, node.linked ? 1 : 0);
  out.family("mayfly_tokens_per_second", "gauge", "Tokens per second over the last five seconds.");
  out.sample({{"phase", "prefill"}}, status.prefill_tokens_per_second);
  out.sample({{"phase", "decode"}}, status.decode_tokens_per_second);
}

void write_gateways(exposition& out, cluster_status const& status) {
  using messages::gateway_report;
  auto const figure = [&](std::string_view name, std::string_view type, std::string_view help, auto member) {
    out.family(name, type, help);
    per_node(out, status, &node_status::gateway,
             [&](gateway_report const& report) { return report.*member; });
  };
  figure("mayfly_requests_total", "counter", "Requests submitted.", &gateway_report::requests);
  figure("mayfly_requests_failed_total", "counter", "Requests that failed.", &gateway_report::failed);
  figure("mayfly_requests_cancelled_total", "counter", "Requests whose client left.",
         &gateway_report::cancelled);
  figure("mayfly_requests_replayed_total", "counter", "Requests run again elsewhere.",
         &gateway_report::replayed);
  figure("mayfly_requests_running", "gauge", "Requests under way.", &gateway_report::running);
  figure("mayfly_prompt_tokens_total", "counter", "Prompt tokens of answered requests.",
         &gateway_report::prompt_tokens);
  figure("mayfly_completion_tokens_total", "counter", "Generated tokens of answered requests.",
         &gateway_report::completion_tokens);
  figure("mayfly_gateway_resident_bytes", "gauge", "Resident memory.", &gateway_report::resident_bytes);
  figure("mayfly_gateway_unlocked_bytes", "gauge", "Memory for content that could not be locked.",
         &gateway_report::unlocked_bytes);
  figure("mayfly_request_log_lost_total", "counter", "Records that the request log lost.",
         &gateway_report::log_records_lost);
}

void write_workers(exposition& out, cluster_status const& status) {
  using messages::model_load;
  auto const figure = [&](std::string_view name, std::string_view type, std::string_view help, auto member) {
    out.family(name, type, help);
    per_model(out, status, [&](model_load const& load) { return load.*member; });
  };
  figure("mayfly_worker_running", "gauge", "Sequences that hold KV blocks.", &model_load::running);
  figure("mayfly_worker_waiting", "gauge", "Sequences in the queue.", &model_load::waiting);
  figure("mayfly_worker_kv_blocks", "gauge", "KV blocks.", &model_load::kv_blocks);
  figure("mayfly_worker_kv_blocks_free", "gauge", "Free KV blocks.", &model_load::kv_blocks_free);
  figure("mayfly_worker_prefill_tokens_total", "counter", "Tokens prefilled.", &model_load::prefill_tokens);
  figure("mayfly_worker_decode_tokens_total", "counter", "Tokens generated.", &model_load::decode_tokens);
  figure("mayfly_worker_preemptions_total", "counter", "Sequences computed again.", &model_load::preemptions);
  figure("mayfly_worker_weight_bytes", "gauge", "Weights that the worker holds.", &model_load::weight_bytes);
  figure("mayfly_worker_kv_bytes", "gauge", "KV cache that the worker reserved.", &model_load::kv_bytes);
  figure("mayfly_worker_device_bytes", "gauge",
         "Memory of the device that holds both; 0: the host's holds them.", &model_load::device_bytes);
  using messages::worker_report;
  auto const of_worker = [&](std::string_view name, std::string_view help, auto member) {
    out.family(name, "gauge", help);
    per_node(out, status, &node_status::worker, [&](worker_report const& report) { return report.*member; });
  };
  of_worker("mayfly_worker_resident_bytes", "Resident memory.", &worker_report::resident_bytes);
  of_worker("mayfly_worker_content_bytes", "Locked memory that holds content now.",
            &worker_report::content_bytes);
  of_worker("mayfly_worker_unlocked_bytes", "Memory for content that could not be locked.",
            &worker_report::unlocked_bytes);
}

void write_ranks(exposition& out, cluster_status const& status) {
  using messages::rank_report;
  auto const figure = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, "gauge", help);
    for (auto const& node : status.nodes)
      for (auto const& rank : node.ranks)
        if (node.linked)
          out.sample({{"node", node.member.node.text()},
                      {"model", rank.model.text()},
                      {"rank", std::to_string(rank.rank)}},
                     value(rank));
  };
  figure("mayfly_rank_formed", "1 if the rank is part of a formed group.",
         [](rank_report const& rank) { return rank.formed ? 1 : 0; });
  figure("mayfly_rank_epoch", "The epoch of the rank's group.",
         [](rank_report const& rank) { return rank.epoch; });
  figure("mayfly_rank_weight_bytes", "Weights that the rank holds.",
         [](rank_report const& rank) { return rank.weight_bytes; });
  figure("mayfly_rank_kv_bytes", "KV cache that the rank reserved.",
         [](rank_report const& rank) { return rank.kv_bytes; });
  figure("mayfly_rank_device_bytes", "Memory of the device that holds both; 0: the host's holds them.",
         [](rank_report const& rank) { return rank.device_bytes; });
  figure("mayfly_rank_resident_bytes", "Resident memory of the rank's process.",
         [](rank_report const& rank) { return rank.resident_bytes; });
}

void write_retention(exposition& out, cluster_status const& status) {
  using messages::retention_report;
  auto const figure = [&](std::string_view name, std::string_view type, std::string_view help, auto member) {
    out.family(name, type, help);
    per_node(out, status, &node_status::retention,
             [&](retention_report const& report) { return report.*member; });
  };
  figure("mayfly_leases_open", "gauge", "Leases open.", &retention_report::leases_open);
  figure("mayfly_leases_closed_total", "counter", "Leases closed, every wipe confirmed.",
         &retention_report::leases_closed);
  figure("mayfly_lease_violations_total", "counter", "Leases that outlived their deadline.",
         &retention_report::violations);
  figure("mayfly_leases_unconfirmed", "gauge", "Leases whose holder may still hold.",
         &retention_report::unconfirmed);
}

} // namespace

std::string metrics_text(cluster_status const& status) {
  exposition out;
  write_nodes(out, status);
  write_gateways(out, status);
  write_workers(out, status);
  write_ranks(out, status);
  write_retention(out, status);
  return out.take();
}

} // namespace mayfly::actors
