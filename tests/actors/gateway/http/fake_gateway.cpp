#include "fake_gateway.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace mayfly::actors {

using cluster::received;

std::shared_ptr<messages::output_chunk const> make_chunk(request_id request, std::uint32_t choice,
                                                         std::string_view text, std::uint32_t tokens) {
  messages::output_chunk made;
  made.request = request;
  made.choice = choice;
  made.tokens = tokens;
  made.text = ephemeral_text(text);
  return std::make_shared<messages::output_chunk const>(std::move(made));
}

void deliver_answer(generation& request, std::vector<std::string> const& texts) {
  auto& sink = *request.sink;
  sink.deliver(answer_started{7});
  for (auto const& choice : request.choices) {
    for (auto const& text : texts) sink.deliver(make_chunk(request.request, choice.choice, text));
    sink.deliver(choice_finished{choice.choice, messages::finish_reason::stop, 7,
                                 static_cast<std::uint32_t>(texts.size())});
  }
  sink.deliver(answer_complete{});
}

fake_gateway::fake_gateway(script on_submit) : on_submit_(std::move(on_submit)) {
  configuration_.set("scheduler.policy", caf::atom("sharing"));
  configuration_.set("scheduler.max-threads", 1);
  system_ = std::make_unique<caf::actor_system>(configuration_);
  handle_ = system_->spawn([this](gateway_actor::pointer) { return behave(); });
}

fake_gateway::~fake_gateway() {
  caf::anon_send_exit(handle_, caf::exit_reason::user_shutdown);
  handle_ = nullptr;
}

bool fake_gateway::wait(std::function<bool()> const& met) {
  std::unique_lock guard(mutex_);
  return changed_.wait_for(guard, std::chrono::seconds(10), met);
}

void fake_gateway::answer_receipts_with(std::function<messages::receipt_answer(find_receipt const&)> answer) {
  receipts_ = [answer = std::move(answer)](find_receipt const& asked) { asked.sink->deliver(answer(asked)); };
}

void fake_gateway::find_no_retention() {
  receipts_ = [](find_receipt const& asked) { asked.sink->unreachable(); };
}

void fake_gateway::heard(std::function<void()> const& what) {
  {
    std::scoped_lock guard(mutex_);
    what();
  }
  changed_.notify_all();
}

gateway_actor::behavior_type fake_gateway::behave() {
  return {
      [this](submit const& told) {
        heard([&] { submitted.push_back(told.request); });
        on_submit_(told.request);
      },
      [this](chunks_taken const& told) { heard([&] { chunks += told.chunks; }); },
      [this](abandon const& told) { heard([&] { abandoned.push_back(told.request); }); },
      [this](answer_over const& told) { heard([&] { over.push_back(told); }); },
      [this](find_receipt const& told) { receipts_(told); },
      [](end_answers) {},
      [](received<messages::placement> const&) {},
      [](received<messages::admission> const&) {},
      [](received<messages::output_chunk> const&) {},
      [](received<messages::finished> const&) {},
      [](received<messages::worker_report> const&) {},
      [](received<messages::lease_opened> const&) {},
      [](received<messages::lease_forced> const&) {},
      [](received<messages::receipt_answer> const&) {},
      [](received<messages::drain_order> const&) {},
      [](cluster::peer_joined const&) {},
      [](cluster::peer_left const&) {},
      [](cluster::process_exited const&) {},
      [](cluster::tick const&) {},
  };
}

} // namespace mayfly::actors
