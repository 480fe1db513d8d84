#include "cluster/node/http_surface.hpp"

#include "actors/accounts/key_file.hpp"
#include "actors/gateway/http/ingress.hpp"
#include "actors/operations/metrics.hpp"

#include <algorithm>
#include <ctime>

namespace mayfly::node {
namespace {

using namespace actors;
using messages::role;

result<api::model_catalogue> catalogue_of(node_configuration const& configuration) {
  std::vector<api::served_model> models;
  for (auto const& model : configuration.models)
    models.push_back({model.id, model.aliases, model.context_tokens, std::time(nullptr),
                      *name::parse("mayfly"), model.demo});
  return api::model_catalogue::make(std::move(models));
}

request_log_options log_options(node_configuration const& configuration) {
  request_log_options options;
  options.path = configuration.request_log;
  for (auto const& model : configuration.models)
    options.prices.push_back({model.id, model.price_prompt, model.price_completion});
  return options;
}

http::ingress_options api_options(http_configuration const& http, std::optional<http::certificate> tls) {
  http::ingress_options options;
  options.serves = http::surface::api;
  options.address = http.address;
  options.port = http.port;
  options.tls = std::move(tls);
  options.limits.body_bytes = http.max_body_bytes;
  options.generation_deadline = http.request_time;
  return options;
}

class open_surface final : public http_surface {
public:
  open_surface(role_host& roles, node_configuration const& configuration) : roles_(roles) {
    for (auto const& model : configuration.models) models_.push_back(model.id);
  }

  result<void> open_api(node_configuration const& configuration, std::optional<http::certificate> tls,
                        start_step& step) {
    auto const in_state = [&](std::filesystem::path const& file) {
      step = {(configuration.state_directory / file).native(), "May this user write it?"};
    };
    in_state(configuration.api_keys);
    auto keys = accounts::key_file::open(configuration.api_keys);
    if (!keys) return keys.failure();
    keys_ = std::move(*keys);
    step = {};
    auto catalogue = catalogue_of(configuration);
    if (!catalogue) return catalogue.failure();
    catalogue_ = std::move(*catalogue);
    auto options = log_options(configuration);
    options.on_loss = [&view = roles_.view()](std::uint64_t lost) { view.log_records_lost = lost; };
    in_state(configuration.request_log);
    auto log = request_log::open(std::move(options));
    if (!log) return log.failure();
    log_ = std::move(*log);
    step = {configuration.http.address + ":" + std::to_string(configuration.http.port),
            "Take another with --port or --address, or end what listens there"};
    auto opened = http::ingress::open(api_options(configuration.http, std::move(tls)), dependencies());
    if (!opened && opened.failure().code == errc::configuration) step.advice = "See --address and --tls";
    if (!opened) return opened.failure();
    api_ = std::move(*opened);
    api_->start();
    return {};
  }

  result<void> open_admin(node_configuration const& configuration, start_step& step) {
    step = {"127.0.0.1:" + std::to_string(configuration.http.admin_port),
            "Take another with --admin-port, or end what listens there"};
    http::ingress_options options;
    options.serves = http::surface::admin;
    options.port = configuration.http.admin_port;
    auto wired = dependencies();
    wired.metrics = [this] {
      auto const status = roles_.status();
      return status ? metrics_text(*status) : std::string();
    };
    auto opened = http::ingress::open(std::move(options), std::move(wired));
    if (!opened) return opened.failure();
    admin_ = std::move(*opened);
    admin_->start();
    return {};
  }

  std::uint16_t api_port() const noexcept override { return api_ ? api_->port() : std::uint16_t{0}; }
  std::uint16_t admin_port() const noexcept override { return admin_ ? admin_->port() : std::uint16_t{0}; }
  void drain() override {
    if (api_) api_->drain();
  }
  bool serves() const override { return ready().ready; }
  std::size_t connections() const noexcept override { return api_ ? api_->connections() : 0; }

private:
  http::ingress_dependencies dependencies() {
    http::ingress_dependencies wired;
    wired.gateway = roles_.gateway();
    wired.accounts = keys_.get();
    wired.models = &catalogue_;
    wired.context_tokens = [this](name const& model) {
      auto const now = roles_.view().read();
      auto const found = std::ranges::find(now->models, model, &linked_model::model);
      return found == now->models.end() ? 0U : found->context_tokens;
    };
    wired.log = log_.get();
    wired.make_request_id = [this] { return request_id::make(roles_.view().read()->retention); };
    wired.ready = [this] { return ready(); };
    return wired;
  }

  http::readiness ready() const {
    if (!roles_.gateway()) return operations_ready();
    auto const now = roles_.view().read();
    if (now->draining) return {false, "draining"};
    return {now->ready, now->ready ? literal("ready") : literal("a part of the cluster is missing")};
  }

  /// Without a gateway here: what the others report.
  http::readiness operations_ready() const {
    auto const status = roles_.status();
    if (!status) return {false, "operations does not answer"};
    auto const any = [&](auto const& fits) {
      return std::ranges::any_of(status->nodes,
                                 [&](node_status const& node) { return node.linked && fits(node); });
    };
    auto const role_linked = [&](role one) {
      return any([&](node_status const& node) { return has_role(node.member.roles, one); });
    };
    auto const served = [&](name const& model) {
      return any([&](node_status const& node) {
        return node.worker && !node.worker->draining &&
               std::ranges::any_of(node.worker->models,
                                   [&](auto const& load) { return load.model == model; });
      });
    };
    bool const whole = role_linked(role::gateway) && role_linked(role::scheduler) &&
                       role_linked(role::retention) && std::ranges::all_of(models_, served);
    return {whole, whole ? literal("ready") : literal("a part of the cluster is missing")};
  }

  role_host& roles_;
  std::vector<name> models_; ///< configured
  std::unique_ptr<accounts::key_file> keys_;
  api::model_catalogue catalogue_;
  std::unique_ptr<request_log> log_;
  std::unique_ptr<http::ingress> api_;
  std::unique_ptr<http::ingress> admin_;
};

} // namespace

result<std::unique_ptr<http_surface>> http_surface::open(node_configuration const& configuration,
                                                         std::optional<http::certificate> tls,
                                                         role_host& roles, start_step& step) {
  auto surface = std::make_unique<open_surface>(roles, configuration);
  if (has_role(configuration.roles, role::gateway))
    if (auto opened = surface->open_api(configuration, std::move(tls), step); !opened)
      return opened.failure();
  if (has_role(configuration.roles, role::operations))
    if (auto opened = surface->open_admin(configuration, step); !opened) return opened.failure();
  return std::unique_ptr<http_surface>(std::move(surface));
}

} // namespace mayfly::node
