// The file of a supervised child, written by its supervisor into memory.
#include "cluster/node/configuration.hpp"
#include "cluster/node/role_names.hpp"
#include "protocol/crypto/encoding.hpp"

#include <array>
#include <charconv>

namespace mayfly::node {
namespace {

/// Appends TOML to locked memory: the text holds secret keys.
class toml_writer {
public:
  void key(std::string_view name) {
    text_.append(name);
    text_.append(" = ");
  }
  void string(std::string_view name, std::string_view value) {
    key(name);
    quoted(value);
    text_.push_back('\n');
  }
  void integer(std::string_view name, std::int64_t value) { raw(name, std::to_string(value)); }
  void fraction(std::string_view name, double value) {
    std::array<char, 64> digits{};
    auto const [end, problem] =
        std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed, 6);
    if (problem == std::errc{}) raw(name, {digits.data(), static_cast<std::size_t>(end - digits.data())});
  }
  void flag(std::string_view name, bool value) { raw(name, value ? "true" : "false"); }
  void raw(std::string_view name, std::string_view value) {
    key(name);
    line(value);
  }
  void line(std::string_view value) {
    text_.append(value);
    text_.push_back('\n');
  }
  void secret(std::string_view name, ephemeral_bytes const& bytes) {
    if (bytes.empty()) return;
    key(name);
    text_.push_back('"');
    for (auto byte : bytes.reveal()) {
      constexpr char digits[] = "0123456789abcdef";
      text_.push_back(digits[std::to_integer<unsigned>(byte) >> 4]);
      text_.push_back(digits[std::to_integer<unsigned>(byte) & 15]);
    }
    text_.append("\"\n");
  }
  template <class Range, class Text>
  void array(std::string_view name, Range const& elements, Text text_of) {
    key(name);
    text_.push_back('[');
    for (auto const& element : elements) {
      quoted(text_of(element));
      text_.push_back(',');
    }
    text_.append("]\n");
  }
  ephemeral_text take() { return std::move(text_); }

private:
  void quoted(std::string_view value) {
    text_.push_back('"');
    for (char c : value) {
      if (c == '"' || c == '\\') text_.push_back('\\');
      text_.push_back(c);
    }
    text_.push_back('"');
  }
  ephemeral_text text_;
};

std::vector<std::string_view> names_of(messages::role_set roles) {
  std::vector<std::string_view> names;
  for (auto const& [role, text] : role_names)
    if (has_role(roles, role)) names.push_back(text);
  return names;
}

void write_head(toml_writer& out, node_configuration const& node) {
  out.string("node", node.node.text());
  out.string("supervisor", node.supervisor.text());
  out.array("roles", names_of(node.roles), [](std::string_view role) { return role; });
  if (!node.region.empty()) out.string("region", node.region.view());
  out.string("listen", node.listen.view());
  out.string("public_key", crypto::to_hexadecimal(node.public_key));
  out.secret("secret_key", node.secret_key);
  out.secret("receipt_seed", node.receipt_seed);
  out.secret("pseudonym_key", node.pseudonym_key);
  out.array("trusted", node.trusted,
            [](messages::bytes32 const& key) { return crypto::to_hexadecimal(key); });
  out.flag("seed", node.seed);
  out.string("state_directory", node.state_directory.native());
  out.string("api_keys", node.api_keys.native());
  out.string("receipts", node.receipts.native());
  out.string("request_log", node.request_log.native());
  out.integer("threads", node.threads);
  out.integer("rank", node.rank);
  out.integer("ranks", node.ranks);
  out.integer("place", node.place);
  out.integer("places", node.places);
  out.integer("control", node.control);
}

void write_http(toml_writer& out, http_configuration const& http) {
  out.line("[http]");
  out.string("address", http.address);
  out.integer("port", http.port);
  out.integer("admin_port", http.admin_port);
  out.flag("tls", http.tls);
  out.string("certificate", http.certificate.native());
  out.string("private_key", http.private_key.native());
  out.integer("max_body_bytes", static_cast<std::int64_t>(http.max_body_bytes));
  out.integer("request_seconds", http.request_time.count());
  out.integer("max_in_flight", http.max_in_flight);
}

void write_model(toml_writer& out, model_configuration const& model) {
  out.line("[[model]]");
  out.string("id", model.id.view());
  out.array("aliases", model.aliases, [](name const& alias) { return alias.view(); });
  out.string("file", model.file.native());
  out.integer("context_tokens", model.context_tokens);
  out.integer("kv_bytes", static_cast<std::int64_t>(model.kv_bytes));
  out.integer("max_sequences", model.max_sequences);
  out.integer("max_queued", model.max_queued);
  out.fraction("price_prompt", model.price_prompt);
  out.fraction("price_completion", model.price_completion);
  out.flag("demo", model.demo);
  out.string("device", model.device);
}

void write_nccl(toml_writer& out, nccl_configuration const& nccl) {
  out.line("[nccl]");
  if (!nccl.library.empty()) out.string("library", nccl.library.native());
  out.string("interface", nccl.interface);
  out.flag("allow_unencrypted_nccl", nccl.allow_unencrypted_nccl);
  out.flag("spans_hosts", nccl.spans_hosts);
}

} // namespace

ephemeral_text write_node_configuration(node_configuration const& configuration) {
  toml_writer out;
  write_head(out, configuration);
  for (auto const& seed : configuration.seeds) {
    out.line("[[seed_node]]");
    if (!seed.endpoint.empty()) out.string("endpoint", seed.endpoint.view());
    out.string("public_key", crypto::to_hexadecimal(seed.public_key));
  }
  write_http(out, configuration.http);
  write_nccl(out, configuration.nccl);
  for (auto const& model : configuration.models) write_model(out, model);
  return out.take();
}

} // namespace mayfly::node
