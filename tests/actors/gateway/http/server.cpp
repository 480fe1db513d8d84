#include "server.hpp"

namespace mayfly::actors {

api::model_catalogue test_catalogue() {
  auto named = [](std::string_view text) { return *name::parse(text); };
  return *api::model_catalogue::make(
      {{named("tiny"), {named("small")}, 256, 1700000000, named("mayfly"), true},
       {named("org/other"), {}, 4096, 1700000001, named("somebody"), false}});
}

server::server(fake_gateway::script on_submit, http::ingress_options options)
    : gateway(std::move(on_submit)) {
  http::ingress_dependencies needs;
  needs.gateway = gateway.handle();
  needs.accounts = &accounts;
  needs.models = &models;
  needs.log = &log;
  needs.make_request_id = [] { return request_id::make(retention_id{77}); };
  needs.ready = [this] { return http::readiness{ready, "no worker yet"}; };
  needs.metrics = [] { return std::string("mayfly_requests 3\n"); };
  running = *http::ingress::open(std::move(options), std::move(needs));
  running->start();
}

raw_response server::ask(std::string_view request) const {
  raw_client client(port());
  client.send(request);
  return client.receive(request.starts_with("HEAD "));
}

std::string chat_body(std::string_view more) {
  return R"({"model":"tiny","messages":[{"role":"user","content":"Hello"}])" + std::string(more) + "}";
}

} // namespace mayfly::actors
