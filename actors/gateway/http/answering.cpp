#include "actors/gateway/http/answering.hpp"

#include "actors/api/answer.hpp"
#include "actors/api/listing.hpp"
#include "actors/gateway/http/mailbox.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <caf/send.hpp>
#include <optional>

namespace mayfly::actors::http {
namespace {

using std::chrono::steady_clock;

struct event_box final : answer_sink {
  explicit event_box(std::shared_ptr<doorbell> bell) : box(std::move(bell)) {}
  void deliver(answer_event event) override { box.put(std::move(event)); }
  mailbox<answer_event> box;
};

struct receipt_box final : receipt_sink {
  explicit receipt_box(std::shared_ptr<doorbell> bell) : box(std::move(bell)) {}
  using answer = std::optional<messages::receipt_answer>; ///< none: nobody could be asked
  void deliver(messages::receipt_answer known) override { box.put(std::move(known)); }
  void unreachable() override { box.put(std::nullopt); }
  mailbox<answer> box;
};

/// One answer: state between the events of the gateway and the bytes of the client.
class answer_run {
public:
  answer_run(std::shared_ptr<connection> link, ingress_state const& shared, exchange& of,
             api::parsed_request request, std::uint64_t body_bytes)
      : link_(std::move(link)), shared_(shared), of_(of), shape_(request.shape),
        bell_(std::make_shared<doorbell>(link_->executor())), sink_(std::make_shared<event_box>(bell_)),
        choices_(shape_.choices), taken_(shape_.choices), frame_(out_, of.modern), held_bytes_(body_bytes) {
    head_ = {of.id, of.record.at_unix_ms / 1000};
    submit_request(std::move(request));
  }
  answer_run(answer_run const&) = delete;
  answer_run& operator=(answer_run const&) = delete;

  /// Also where the connection's io_context is torn down around a session that waits.
  ~answer_run() {
    link_->end_watch();
    sink_->box.close();
    if (!over_) leave();
    if (!reported_) report_over();
  }

  asio::awaitable<ending> run() {
    link_->watch([this] {
      gone_ = true;
      bell_->ring();
      link_->interrupt();
    });
    auto how = ending::done;
    while (how == ending::done && !finished_) how = co_await advance();
    link_->end_watch();
    sink_->box.close();
    if (how != ending::done) leave();
    wipe_buffers();
    fill_record(how);
    co_await conclude(how);
    co_return how;
  }

private:
  void submit_request(api::parsed_request request);
  asio::awaitable<ending> advance();
  asio::awaitable<ending> flush(steady_clock::time_point until);
  asio::awaitable<ending> wait();
  asio::awaitable<void> conclude(ending how);
  void apply(answer_event& event);
  void on_started(answer_started const& started);
  void on_chunk(std::shared_ptr<messages::output_chunk const> chunk);
  void on_finished(choice_finished const& finished);
  void on_failed(error const& failure);
  void on_complete();
  void begin_stream();
  template <class Write>
  void write_event(Write write);
  void leave();
  void report_over();
  void wipe_buffers();
  void fill_record(ending how);

  std::shared_ptr<connection> link_;
  ingress_state const& shared_;
  exchange& of_;
  api::response_shape shape_;
  api::answer_head head_;
  std::shared_ptr<doorbell> bell_;
  std::shared_ptr<event_box> sink_;
  std::vector<api::choice_answer> choices_;
  std::vector<std::uint32_t> taken_; ///< chunks by choice that the next finished write settles
  ephemeral_text out_;
  chunk_frame frame_;
  steady_clock::time_point written_by_; ///< the client has what it will have
  steady_clock::time_point ends_at_;    ///< the gateway has spoken
  std::uint32_t started_prompt_tokens_ = 0;
  std::uint64_t held_bytes_ = 0; ///< of content that passed through here
  bool streaming_ = false;       ///< the head of a stream is written
  bool finished_ = false;        ///< the last byte of the answer stands in `out_`
  bool over_ = false;            ///< nothing more can come from the gateway
  bool reported_ = false;        ///< answer_over is sent, or another coroutine's to send
  bool gone_ = false;
};

void answer_run::submit_request(api::parsed_request request) {
  auto const& options = shared_.options;
  auto made = std::make_shared<generation>();
  made->request = of_.id;
  made->account = of_.record.account;
  made->ends_at = boot_clock::now() + options.generation_deadline;
  made->estimated_prompt_tokens = request.estimated_prompt_tokens;
  made->streams = shape_.stream;
  made->choices = std::move(request.choices);
  for (auto& choice : made->choices) {
    choice.request = of_.id;
    choice.account = of_.record.account;
    choice.time_left = options.generation_deadline;
  }
  made->sink = sink_;
  written_by_ = steady_clock::now() + options.generation_deadline + options.last_words;
  ends_at_ = steady_clock::now() + options.generation_deadline + options.deadline_grace;
  caf::anon_send(shared_.dependencies.gateway, submit{std::move(made)});
}

/// Takes what the gateway has delivered, as much as one write should hold; writes it, or waits for more.
asio::awaitable<ending> answer_run::advance() {
  if (gone_) co_return ending::closed;
  answer_event event;
  while (!finished_ && out_.size() < shared_.options.write_bytes && sink_->box.take(event)) {
    apply(event);
    event = answer_event(); // the chunk's content goes with its last holder
  }
  if (finished_ || frame_.is_open()) co_return co_await flush(written_by_);
  co_return co_await wait();
}

/// Content does not outlive its lease for a client that reads slowly.
asio::awaitable<ending> answer_run::flush(steady_clock::time_point until) {
  if (frame_.is_open()) frame_.close();
  if (streaming_ && finished_) frame_.end();
  auto const how = co_await link_->write(out_.reveal(), shared_.options.limits.write, until);
  held_bytes_ += out_.size();
  out_.resize(0);
  if (how != ending::done) co_return ending::closed;
  for (std::uint32_t choice = 0; choice < taken_.size(); ++choice) {
    if (taken_[choice] != 0 && !over_)
      caf::anon_send(shared_.dependencies.gateway, chunks_taken{of_.id, choice, taken_[choice]});
    taken_[choice] = 0;
  }
  co_return how;
}

asio::awaitable<ending> answer_run::wait() {
  auto const now = steady_clock::now();
  if (now >= ends_at_) {
    // The gateway itself is stuck or gone: no client waits for ever.
    leave();
    on_failed(error{errc::deadline_exceeded, "the gateway gave no answer", 0});
    co_return co_await flush(now + shared_.options.last_words);
  }
  auto const ping_at = now + shared_.options.ping;
  co_await bell_->wait_until(streaming_ ? std::min<steady_clock::time_point>(ping_at, ends_at_) : ends_at_);
  if (streaming_ && steady_clock::now() >= ping_at) {
    frame_.open();
    out_.append(keep_alive_comment);
    co_return co_await flush(written_by_);
  }
  co_return ending::done;
}

void answer_run::apply(answer_event& event) {
  if (auto const* started = std::get_if<answer_started>(&event)) return on_started(*started);
  if (auto* chunk = std::get_if<std::shared_ptr<messages::output_chunk const>>(&event))
    return on_chunk(std::move(*chunk));
  if (auto const* finished = std::get_if<choice_finished>(&event)) return on_finished(*finished);
  if (auto const* failed = std::get_if<answer_failed>(&event)) {
    over_ = true;
    return on_failed(failed->failure);
  }
  over_ = true;
  on_complete();
}

void answer_run::on_started(answer_started const& started) {
  started_prompt_tokens_ = started.prompt_tokens;
  if (shape_.stream) begin_stream();
}

void answer_run::begin_stream() {
  if (streaming_) return;
  streaming_ = true;
  response_head head;
  head.type = media::events;
  head.request = of_.id;
  head.chunked = of_.modern;
  head.after = of_.after;
  write_head(out_, head);
  frame_.open();
  if (shape_.kind != api::endpoint::chat) return;
  for (std::uint32_t choice = 0; choice < shape_.choices; ++choice)
    write_event([&] { api::write_role_chunk(out_, head_, shape_, choice); });
}

template <class Write>
void answer_run::write_event(Write write) {
  if (!frame_.is_open()) frame_.open();
  out_.append(event_begins);
  write();
  out_.append(event_ends);
}

void answer_run::on_chunk(std::shared_ptr<messages::output_chunk const> chunk) {
  if (!chunk || chunk->choice >= choices_.size()) return;
  if (of_.record.first_token.count() == 0)
    of_.record.first_token =
        std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - of_.began);
  auto& choice = choices_[chunk->choice];
  choice.completion_tokens += chunk->tokens;
  held_bytes_ += chunk->text.size();
  if (!shape_.stream) {
    // Bounded by max_tokens and the context: the whole answer must be here before its first byte goes.
    choice.chunks.push_back(std::move(chunk));
    return;
  }
  begin_stream();
  ++taken_[chunk->choice];
  if (!frame_.is_open()) frame_.open(); // even an empty chunk is settled by a write
  if (chunk->text.empty() && chunk->logprobs.empty()) return;
  write_event([&] { api::write_text_chunk(out_, head_, shape_, *chunk, choice); });
}

void answer_run::on_finished(choice_finished const& finished) {
  if (finished.choice >= choices_.size()) return;
  auto& choice = choices_[finished.choice];
  choice.finish = finished.reason;
  choice.prompt_tokens = finished.prompt_tokens;
  choice.completion_tokens = finished.completion_tokens;
  if (!shape_.stream) return;
  begin_stream();
  write_event([&] { api::write_finish_chunk(out_, head_, shape_, finished.choice, finished.reason); });
}

/// What the API could not see is wrong with a request: only its worker knows the model.
api::refusal refusal_of(error const& failure) {
  if (failure.code != errc::invalid_request) return api::refuse(failure);
  return api::refuse(
      errc::invalid_request, "refused_by_model",
      "The model cannot take this request: a token id lies outside its vocabulary, or its chat "
      "template does not take these messages.");
}

void answer_run::on_failed(error const& failure) {
  finished_ = true;
  of_.record.code = failure.code;
  auto const why = refusal_of(failure);
  if (!streaming_) {
    out_ = respond(of_, why);
    return;
  }
  // The status has gone out: the error is an event, and the connection ends with it.
  of_.after = persistence::close;
  write_event([&] { api::write_refusal(out_, why); });
}

void answer_run::on_complete() {
  finished_ = true;
  if (!shape_.stream) {
    ephemeral_text body;
    api::write_answer(body, head_, shape_, choices_);
    out_ = respond(of_, 200, media::json, body.reveal());
    return;
  }
  begin_stream();
  if (shape_.include_usage)
    write_event([&] {
      api::write_usage_chunk(out_, head_, shape_, api::usage_of(choices_, shape_.choices_per_prompt));
    });
  if (!frame_.is_open()) frame_.open();
  out_.append(stream_is_done);
}

/// The client is not there any more, or waited long enough: the workers need not go on.
void answer_run::leave() {
  if (over_) return;
  over_ = true;
  caf::anon_send(shared_.dependencies.gateway, abandon{of_.id});
}

void answer_run::wipe_buffers() {
  for (auto& choice : choices_) choice.chunks.clear();
  out_.clear();
}

void answer_run::fill_record(ending how) {
  auto& record = of_.record;
  auto const usage = api::usage_of(choices_, shape_.choices_per_prompt);
  record.prompt_tokens = usage.prompt_tokens != 0 ? usage.prompt_tokens : started_prompt_tokens_;
  record.completion_tokens = usage.completion_tokens;
  if (streaming_) record.status = 200;
  if (how == ending::done) return;
  record.status = api::status_of(errc::cancelled);
  record.code = errc::cancelled;
}

void answer_run::report_over() {
  reported_ = true;
  caf::anon_send(shared_.dependencies.gateway, answer_over{of_.id, held_bytes_, of_.record.status});
}

asio::awaitable<void> report_when_acknowledged(std::shared_ptr<connection> link, gateway_actor gateway,
                                               answer_over over, duration limit) {
  co_await link->acknowledged(link->sent_bytes(), limit);
  caf::anon_send(gateway, over);
}

/// Everything here is wiped; what is left is the kernel's. The wait for the peer's acknowledgement goes
/// beside the connection's next request.
asio::awaitable<void> answer_run::conclude(ending how) {
  if (how != ending::done) {
    report_over();
    co_return;
  }
  reported_ = true;
  answer_over const over{of_.id, held_bytes_, of_.record.status};
  asio::co_spawn(
      link_->executor(),
      report_when_acknowledged(link_, shared_.dependencies.gateway, over, shared_.options.limits.acknowledge),
      asio::detached);
}

} // namespace

asio::awaitable<ending> answer_generation(std::shared_ptr<connection> link, ingress_state const& shared,
                                          exchange& of, api::parsed_request request,
                                          std::uint64_t body_bytes) {
  auto run = std::make_unique<answer_run>(std::move(link), shared, of, std::move(request), body_bytes);
  auto const how = co_await run->run();
  co_return how;
}

asio::awaitable<ephemeral_text> answer_receipt(std::shared_ptr<connection> link, ingress_state const& shared,
                                               exchange& of, request_id wanted) {
  auto const bell = std::make_shared<doorbell>(link->executor());
  auto const sink = std::make_shared<receipt_box>(bell);
  auto const until = steady_clock::now() + shared.options.receipt_patience;
  caf::anon_send(shared.dependencies.gateway, find_receipt{wanted, of.record.account, sink});
  receipt_box::answer answer;
  while (!sink->box.take(answer) && steady_clock::now() < until) co_await bell->wait_until(until);
  sink->box.close();
  if (!answer) {
    of.record.code = errc::unavailable;
    co_return respond(of, api::refuse(error{errc::unavailable, "no retention peer answers", 0}));
  }
  if (answer->state == messages::receipt_state::unknown) {
    of.record.code = errc::not_found;
    co_return respond(of, api::refuse(errc::not_found, "receipt_not_found", "There is no such receipt."));
  }
  ephemeral_text body;
  api::write_receipt(body, *answer);
  bool const open = answer->state == messages::receipt_state::open;
  co_return respond(of, open ? 202 : 200, media::json, body.reveal());
}

} // namespace mayfly::actors::http
