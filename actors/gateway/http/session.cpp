#include "actors/gateway/http/session.hpp"

#include "actors/api/answer.hpp"
#include "actors/api/listing.hpp"
#include "actors/api/openapi.hpp"
#include "actors/gateway/http/admission.hpp"
#include "actors/gateway/http/answering.hpp"

namespace mayfly::actors::http {
namespace {

using std::chrono::steady_clock;

exchange begin_exchange(ingress_state const& shared) {
  exchange of;
  of.id = shared.dependencies.make_request_id();
  of.began = steady_clock::now();
  of.record.at_unix_ms = unix_milliseconds();
  of.record.request = of.id;
  return of;
}

void log(exchange& of, ingress_state const& shared) {
  auto const where = of.match.where;
  if (shared.dependencies.log == nullptr || where == route::healthz || where == route::readyz ||
      where == route::metrics)
    return;
  of.record.latency = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - of.began);
  shared.dependencies.log->append(of.record);
}

ephemeral_text respond_ready(exchange& of, ingress_state const& shared) {
  auto const state = shared.draining ? readiness{false, "draining"} : shared.dependencies.ready();
  ephemeral_text body(R"({"status":")");
  body.append(state.ready ? "ready" : state.why.view());
  body.append("\"}");
  return respond(of, state.ready ? 200 : 503, media::json, body.reveal());
}

ephemeral_text respond_model(exchange& of, ingress_state const& shared) {
  auto const wanted = percent_decoded(of.match.rest);
  auto const found = wanted ? shared.dependencies.models->find(wanted->reveal()) : std::nullopt;
  if (!found) return respond(of, api::refuse(errc::model_not_found));
  of.record.model = found->model->id;
  ephemeral_text body;
  api::write_model(body, *found, shared.dependencies.context_tokens);
  return respond(of, 200, media::json, body.reveal());
}

ephemeral_text respond_models(exchange& of, ingress_state const& shared) {
  ephemeral_text body;
  api::write_models(body, *shared.dependencies.models, shared.dependencies.context_tokens);
  return respond(of, 200, media::json, body.reveal());
}

/// Answers of routes that need nothing but what is at hand.
ephemeral_text respond_at_once(exchange& of, ingress_state const& shared) {
  switch (of.match.where) {
  case route::models:
    return respond_models(of, shared);
  case route::model:
    return respond_model(of, shared);
  case route::openapi:
    return respond(of, 200, media::json, api::openapi_document());
  case route::healthz:
    return respond(of, 200, media::json, R"({"status":"ok"})");
  case route::readyz:
    return respond_ready(of, shared);
  case route::metrics:
    return respond(of, 200, media::metrics, shared.dependencies.metrics());
  default:
    return respond(of, api::refuse(errc::not_found));
  }
}

void describe(request_record& record, api::parsed_request const& request) {
  record.generates = true;
  record.model = request.choices.front().model;
  record.parameters = request.choices.front().parameters;
  record.stream = request.shape.stream;
  record.choices = request.shape.choices;
}

class session {
public:
  session(std::shared_ptr<connection> link, ingress_state const& shared, std::shared_ptr<bool> idle)
      : link_(std::move(link)), shared_(shared), idle_(std::move(idle)),
        reader_(*link_, shared.options.limits) {}

  asio::awaitable<void> run() {
    auto const greeted = co_await link_->handshake(shared_.options.limits.head);
    bool going = greeted == ending::done;
    while (going) going = co_await serve_one();
    if (greeted == ending::done) co_await link_->finish(shared_.options.limits.linger);
  }

private:
  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> dispatch(exchange& of);
  asio::awaitable<bool> receive_body(exchange& of);
  asio::awaitable<bool> generate(exchange& of);
  asio::awaitable<bool> find_receipt(exchange& of);
  asio::awaitable<bool> send(exchange& of, ephemeral_text response);

  std::shared_ptr<connection> link_;
  ingress_state const& shared_;
  std::shared_ptr<bool> idle_;
  request_reader reader_;
};

asio::awaitable<bool> session::serve_one() {
  *idle_ = !reader_.has_pipelined();
  if (*idle_ && shared_.draining) co_return false;
  auto head = co_await reader_.read_head();
  *idle_ = false;
  if (!head && head.failure().code == errc::cancelled) co_return false;
  auto of = begin_exchange(shared_);
  bool going = false;
  if (!head) {
    going = co_await send(of, respond(of, api::refuse(head.failure())));
  } else {
    of.facts = *head;
    of.modern = head->modern;
    of.head_only = head->asked == method::head;
    of.after = head->keep_alive && !shared_.draining ? persistence::keep : persistence::close;
    going = co_await dispatch(of);
  }
  reader_.forget();
  log(of, shared_);
  co_return going;
}

asio::awaitable<bool> session::dispatch(exchange& of) {
  auto refused = admit(of, reader_, shared_);
  // A body that nobody reads would be taken for the next request.
  if (of.facts.has_body && (refused || of.facts.asked != method::post)) of.after = persistence::close;
  if (refused) {
    auto response = respond(of, *refused);
    co_return co_await send(of, std::move(response));
  }
  if (of.facts.asked == method::post) co_return co_await generate(of);
  if (of.match.where == route::receipt) co_return co_await find_receipt(of);
  auto response = respond_at_once(of, shared_);
  co_return co_await send(of, std::move(response));
}

/// False: the request ended here.
asio::awaitable<bool> session::receive_body(exchange& of) {
  if (of.facts.expects_continue && of.modern && of.facts.has_body && !reader_.has_pipelined()) {
    auto const told = co_await link_->write("HTTP/1.1 100 Continue\r\n\r\n", shared_.options.limits.write);
    if (told != ending::done) co_return false;
  }
  auto received = co_await reader_.read_body();
  if (received) co_return true;
  of.after = persistence::close;
  of.record.code = received.failure().code;
  of.record.status = api::status_of(of.record.code);
  if (of.record.code == errc::cancelled) co_return false;
  auto response = respond(of, api::refuse(received.failure()));
  co_await send(of, std::move(response));
  co_return false;
}

asio::awaitable<bool> session::generate(exchange& of) {
  auto const received = co_await receive_body(of);
  if (!received) co_return false;
  auto const kind =
      of.match.where == route::chat_completions ? api::endpoint::chat : api::endpoint::completion;
  auto const body_bytes = reader_.body().size();
  auto parsed = api::parse_request(kind, reader_.body().reveal(), *shared_.dependencies.models,
                                   shared_.options.requests);
  // From here on the prompt stands in the parsed request alone: the head (and the key in it) goes too.
  reader_.forget();
  of.facts = request_facts();
  of.match.rest = std::string_view();
  if (auto const* refused = std::get_if<api::refusal>(&parsed)) {
    auto response = respond(of, *refused);
    co_return co_await send(of, std::move(response));
  }
  auto& request = std::get<api::parsed_request>(parsed);
  describe(of.record, request);
  auto const how = co_await answer_generation(link_, shared_, of, std::move(request), body_bytes);
  co_return how == ending::done&& of.after == persistence::keep;
}

asio::awaitable<bool> session::find_receipt(exchange& of) {
  auto const text = percent_decoded(of.match.rest);
  auto const wanted = text ? api::parse_completion_id(text->reveal()) : result<request_id>(text.failure());
  ephemeral_text response;
  if (wanted)
    response = co_await answer_receipt(link_, shared_, of, *wanted);
  else
    response = respond(of, api::refuse(errc::not_found, "receipt_not_found", "There is no such receipt."));
  co_return co_await send(of, std::move(response));
}

asio::awaitable<bool> session::send(exchange& of, ephemeral_text response) {
  auto const how = co_await link_->write(response.reveal(), shared_.options.limits.write);
  co_return how == ending::done&& of.after == persistence::keep;
}

} // namespace

ephemeral_text respond(exchange& of, std::uint16_t status, media type, std::string_view body) {
  of.record.status = status;
  response_head head;
  head.status = status;
  head.type = type;
  head.request = of.id;
  head.after = of.after;
  if (status == 405) head.allow = of.match.allow;
  if (status == 503) head.retry_seconds = 1;
  return whole_response(head, body, of.head_only);
}

ephemeral_text respond(exchange& of, api::refusal const& why) {
  ephemeral_text body;
  api::write_refusal(body, why);
  of.record.code = why.code;
  of.record.status = api::status_of(why.code);
  response_head head;
  head.status = of.record.status;
  head.request = of.id;
  head.after = of.after;
  head.retry_seconds = why.retry_seconds;
  head.challenge = why.code == errc::unauthorized;
  if (why.code == errc::method_not_allowed) head.allow = of.match.allow;
  return whole_response(head, body.reveal(), of.head_only);
}

asio::awaitable<void> serve(std::shared_ptr<connection> link, ingress_state const& shared,
                            std::shared_ptr<bool> idle) {
  auto const one = std::make_unique<session>(std::move(link), shared, std::move(idle));
  co_await one->run();
}

} // namespace mayfly::actors::http
