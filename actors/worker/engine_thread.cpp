#include "actors/worker/engine_thread.hpp"

#include <exception>

namespace mayfly::actors {

engine_thread::engine_thread(worker_model model, node_id self, retention_outbox& outbox,
                             std::shared_ptr<engine_pulse> pulse, want_group wants)
    : runner_(std::move(model), self, outbox), wants_(std::move(wants)), pulse_(std::move(pulse)),
      load_(runner_.load()), rank_(runner_.rank()), thread_([this] { loop(); }) {}

engine_thread::~engine_thread() {
  {
    std::lock_guard const lock(mutex_);
    stopping_ = true;
  }
  runner_.abandon_group();
  wake_.notify_one();
  thread_.join();
}

void engine_thread::post(engine_command command) {
  {
    std::lock_guard const lock(mutex_);
    commands_.push_back(std::move(command));
  }
  wake_.notify_one();
}

messages::model_load engine_thread::load() const {
  std::lock_guard const lock(mutex_);
  return load_;
}

messages::rank_report engine_thread::rank() const {
  std::lock_guard const lock(mutex_);
  return rank_;
}

void engine_thread::loop() {
  ask_for_group();
  std::vector<engine_command> commands;
  while (take_commands(commands)) {
    pulse_->busy_since = boot_clock::now().time_since_epoch().count();
    turn(commands);
  }
}

bool engine_thread::take_commands(std::vector<engine_command>& commands) {
  std::unique_lock lock(mutex_);
  bool const idle = commands_.empty() && !runner_.has_work();
  if (idle && dirty_ && !stopping_) { // nothing of what ran stays in scratch or on this stack while it waits
    lock.unlock();
    runner_.scrub();
    wipe_stack();
    dirty_ = false;
    lock.lock();
  }
  if (commands_.empty() && !runner_.has_work()) {
    pulse_->busy_since = 0;
    wake_.wait(lock, [&] { return stopping_ || !commands_.empty(); });
  }
  commands.swap(commands_);
  return !stopping_;
}

void engine_thread::turn(std::vector<engine_command>& commands) {
  auto const now = boot_clock::now();
  try {
    for (auto& command : commands) run(command);
    commands.clear();
    if (runner_.has_work()) {
      dirty_ = true;
      runner_.step(boot_clock::now());
    }
  } catch (std::exception const&) { // memory ran out: what runs ends, wiped, and the thread lives on
    commands.clear();
    runner_.fail_all(errc::out_of_memory, now);
  }
  watch_group(now);
  publish();
}

void engine_thread::publish() {
  auto load = runner_.load();
  auto rank = runner_.rank();
  pulse_->open = load.running + load.waiting;
  std::lock_guard const lock(mutex_);
  load_ = std::move(load);
  rank_ = std::move(rank);
}

void engine_thread::ask_for_group() {
  auto const* const group = runner_.group();
  if (group != nullptr && !group->formed() && wants_) wants_(runner_.model(), group->epoch(), {});
}

/// A lost rank ends the group here at once: the next one cannot be formed before every rank has left.
void engine_thread::watch_group(deadline now) {
  if (runner_.group_lost()) leave_group(now);
}

void engine_thread::leave_group(deadline now) {
  if (runner_.leaves_traces()) runner_.end_process();
  runner_.leave_group(now);
  ask_for_group();
}

void engine_thread::form(group_offer offer) {
  dirty_ = true;
  auto const formed = runner_.form_group(std::move(offer));
  if (!formed) wants_(runner_.model(), runner_.group()->epoch(), formed.failure());
}

void engine_thread::run(engine_command& command) {
  auto const now = boot_clock::now();
  if (auto* infer = std::get_if<infer_command>(&command)) {
    dirty_ = true;
    auto const id = infer->request->request;
    auto const choice = infer->request->choice;
    auto const from = infer->from;
    try {
      runner_.infer(from, std::move(infer->request), now);
    } catch (std::exception const&) {
      from->send(messages::admission{id, choice, static_cast<std::uint16_t>(errc::overloaded), 0, 0});
    }
  } else if (auto const* credit = std::get_if<messages::credit>(&command)) {
    runner_.credit(*credit);
  } else if (auto const* cancel = std::get_if<cancel_command>(&command)) {
    runner_.cancel(cancel->request, cancel->report, now);
    if (cancel->asked && cancel->asked->fetch_sub(1) == 1) runner_.report_nothing(cancel->request);
  } else if (auto const* lost = std::get_if<gateway_lost_command>(&command)) {
    runner_.gateway_lost(lost->gateway, now);
  } else if (auto* formed = std::get_if<form_command>(&command)) {
    form(std::move(*formed->offer));
  } else if (auto const* left = std::get_if<leave_command>(&command)) {
    auto const* const group = runner_.group();
    if (group == nullptr || group->epoch() != left->epoch || !group->formed()) return; // it has left already
    leave_group(now);
  } else {
    runner_.tick(now);
  }
}

} // namespace mayfly::actors
