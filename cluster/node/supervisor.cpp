#include "cluster/node/supervisor.hpp"

#include "cluster/membership/announcer.hpp"
#include "cluster/node/event_log.hpp"
#include "protocol/msgpack/codec.hpp"

#include <algorithm>
#include <csignal>
#include <poll.h>
#include <sys/signalfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace mayfly::node {
namespace {

using namespace std::chrono_literals;

constexpr auto beat_patience = 1500ms; ///< a frozen child is killed: seen within two seconds
constexpr auto loading_patience = 30s; ///< until the first beat
constexpr auto longest_turn = 1s;      ///< of this process's own loop, where it is not away
constexpr auto drain_patience = 20s;
constexpr auto exited_memory = 10min;
constexpr auto key_check_interval = 500ms;

template <messages::message M>
ephemeral_bytes encoded(M const& message) {
  ephemeral_bytes bytes;
  wire::encode(message, bytes);
  return bytes;
}

std::chrono::milliseconds since(deadline then) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(boot_clock::now() - then);
}

} // namespace

supervisor::supervisor(cluster_configuration configuration)
    : configuration_(std::move(configuration)), keys_(configuration_.directory / "keys"),
      id_(node_id::make()), record_(configuration_.directory / "children") {}

supervisor::~supervisor() {
  if (signals_ >= 0) close(signals_);
}

result<void> supervisor::run() {
  start_step step;
  if (auto prepared = prepare(step); !prepared) {
    refusal_ = refusal_at(step, prepared.failure());
    return prepared;
  }
  for (auto const& plan : plan_children(configuration_, std::thread::hardware_concurrency(), own_host_)) {
    slot child;
    child.plan = plan;
    children_.push_back(std::move(child));
  }
  for (auto& child : children_) start(child);
  write_file();
  loop();
  finish();
  if (!refusal_.empty()) return error{errc::configuration, "a process of the cluster refused to start", 0};
  return {};
}

void supervisor::loop() {
  while (!(stopping_ && all_ended())) {
    wait_for_events();
    tick();
  }
}

void supervisor::wait_for_events() {
  std::vector<pollfd> watched{{signals_, POLLIN, 0}};
  for (auto const& child : children_) {
    watched.push_back({child.process ? child.process->exit_descriptor() : -1, POLLIN, 0});
    watched.push_back({child.process ? child.process->control().descriptor() : -1, POLLIN, 0});
  }
  commands_->watch(watched);
  poll(watched.data(), watched.size(), 100);
  signalfd_siginfo signal{};
  while (read(signals_, &signal, sizeof signal) == sizeof signal)
    if (signal.ssi_signo != SIGHUP) begin_stop();
  commands_->poll([this](auto client, auto const& line) { serve(client, line); });
  for (std::size_t index = 0; index < children_.size(); ++index) {
    auto& child = children_[index];
    if (!child.process) continue;
    if (watched[2 * index + 2].revents != 0) read_control(child);
    if (auto exit = child.process->reap()) ended(child, *exit);
  }
}

/// Where this process itself was away (the machine slept, or it was stopped), no child could be heard.
void supervisor::excuse_own_absence(deadline now) {
  auto const away = now - std::exchange(last_tick_, now);
  if (away < longest_turn) return;
  for (auto& child : children_) child.last_beat = std::min(now, child.last_beat + away);
}

void supervisor::tick() {
  auto const now = boot_clock::now();
  excuse_own_absence(now);
  for (auto& child : children_) {
    if (!child.process && !stopping_ && child.start_due <= now) start(child);
    if (child.process && now - child.last_beat > (child.ready ? beat_patience : loading_patience))
      kill_frozen(child);
  }
  std::erase_if(exited_, [](auto const& gone) {
    return unix_milliseconds() - gone.at_unix_ms > std::chrono::milliseconds(exited_memory).count();
  });
  follow_hosts();
  if (!stopping_) form_groups();
  take_remote_view();
  if (announcer_) watch_seeds();
  if (now >= next_key_check_) check_keys();
  if (stopping_) end_children();
  if (!stopping_ || now < stop_by_) return;
  for (auto& child : children_)
    if (child.process) child.process->send_signal(SIGKILL);
}

void supervisor::check_keys() {
  next_key_check_ = boot_clock::now() + key_check_interval;
  auto found = keys_.trusted();
  auto const same = [](trusted_key const& left, trusted_key const& right) {
    return left.label == right.label && left.public_key == right.public_key;
  };
  if (std::ranges::equal(found, trusted_, same)) return;
  trusted_ = std::move(found);
  event_log("keys_changed").with("trusted", trusted_.size());
  tell_everyone();
}

void supervisor::take_remote_view() {
  std::optional<messages::member_view> view;
  {
    std::scoped_lock const guard(heard_mutex_);
    view.swap(heard_);
  }
  if (!view || cluster::same_word(*view, remote_view_)) return;
  remote_view_ = std::move(*view);
  tell_everyone();
}

void supervisor::start(slot& child) {
  auto keys = crypto::link_key::generate();
  if (child.plan.seed) keys = {seed_keys_.public_key, seed_keys_.secret.clone()};
  child.member = {node_id::make(), child.plan.roles, {}, keys.public_key, id_, configuration_.region};
  child.ready = child.serves = false;
  child.started = child.last_beat = boot_clock::now();
  auto process = child_process::start(configure(child, std::move(keys)));
  if (!process) {
    event_log("start_failed").with("role", child.plan.label).with("errno", process.failure().number);
    child.start_due = boot_clock::now() + child.restarts.next_pause(0ms);
    return;
  }
  child.process = std::move(*process);
  event_log("started").with("role", child.plan.label).with("pid", child.process->pid());
  record_children();
  tell_everyone();
  write_file();
}

void supervisor::ended(slot& child, child_exit exit) {
  auto const pid = child.process->pid();
  auto const pause = child.restarts.next_pause(since(child.started));
  exited_.push_back({child.member.node, unix_milliseconds()});
  child.process.reset();
  child.ready = child.serves = false;
  rank_ended(child);
  child.start_due = boot_clock::now() + pause;
  if (has_role(child.plan.roles, messages::role::operations)) answer_without_operations();
  ++child.restart_count;
  event_log("ended")
      .with("role", child.plan.label)
      .with("pid", pid)
      .with("status", exit.status)
      .with("signal", exit.signal)
      .with("restart_in_ms", stopping_ ? -1 : pause.count());
  record_children();
  tell_everyone();
  write_file();
}

void supervisor::record_children() const {
  std::vector<child_record::entry> all;
  for (auto const& child : children_)
    if (child.process) all.push_back({child.member.node, child.process->pid()});
  for (auto const& gone : exited_) all.push_back({gone.node});
  if (auto written = record_.write(all); !written)
    event_log("children_not_recorded").with("errno", written.failure().number);
}

void supervisor::kill_frozen(slot& child) {
  event_log("frozen").with("role", child.plan.label).with("pid", child.process->pid());
  child.process->send_signal(SIGKILL);
  child.last_beat = boot_clock::now();
}

void supervisor::read_control(slot& child) {
  auto frames = child.process->control().receive();
  if (!frames) return; // its exit shows on the pidfd
  for (auto const& frame : *frames) handle(child, frame);
}

void supervisor::handle(slot& child, control_frame const& frame) {
  switch (frame.type) {
  case control_type::ready:
    return became_ready(child, frame);
  case control_type::beat:
    return took_beat(child, frame);
  case control_type::loading:
    child.last_beat = boot_clock::now();
    return;
  case control_type::failed:
    return start_refused(child, frame);
  case control_type::status_answer:
    return pass_status(frame);
  case control_type::group_wish:
    return take_wish(child, frame);
  default:
    return;
  }
}

void supervisor::became_ready(slot& child, control_frame const& frame) {
  auto said = wire::decode<child_ready>(frame.body);
  if (!said) return child.process->send_signal(SIGKILL);
  child.ready = true;
  child.refused = false;
  was_whole_ = was_whole_ || std::ranges::all_of(children_, &slot::ready);
  child.last_beat = boot_clock::now();
  child.member.endpoint = said->endpoint;
  child.http_port = said->http_port;
  child.admin_port = said->admin_port;
  // A gateway that comes back keeps its place: its clients know the port.
  if (child.plan.http_port == 0) child.plan.http_port = said->http_port;
  if (child.plan.admin_port == 0) child.plan.admin_port = said->admin_port;
  event_log("ready").with("role", child.plan.label).with("pid", child.process->pid());
  tell_everyone();
  write_file();
}

void supervisor::took_beat(slot& child, control_frame const& frame) {
  child.last_beat = boot_clock::now();
  bool const serves = !frame.body.empty() && frame.body.front() == std::byte{1};
  if (std::exchange(child.serves, serves) != serves) write_file();
}

/// Every process runs, and where there are workers every gateway reaches one.
bool supervisor::is_ready() const {
  return !stopping_ && std::ranges::all_of(children_, [this](slot const& child) {
    bool const is_gateway = has_role(child.plan.roles, messages::role::gateway);
    return child.process && child.ready && (child.serves || !is_gateway || configuration_.workers == 0);
  });
}

void supervisor::start_refused(slot& child, control_frame const& frame) {
  std::string_view const why(reinterpret_cast<char const*>(frame.body.data()), frame.body.size());
  event_log("refused").with("role", child.plan.label).with("why", why);
  child.refused = true;
  // At first start the operator waits for an answer, and what is wrong is wrong for good. Later a cluster
  // serves with what it has, and what is missing (a port, a file) may come back.
  if (was_whole_ || stopping_) return;
  refusal_ = child.plan.label + ": " + std::string(why);
  begin_stop();
}

messages::member_view supervisor::local_view() const {
  messages::member_view view;
  view.epoch = epoch_;
  for (auto const& child : children_)
    if (child.process && child.ready) view.members.push_back(child.member);
  view.exited = exited_;
  return view;
}

std::vector<messages::bytes32> supervisor::trusted_keys() const {
  std::vector<messages::bytes32> keys{own_keys_.public_key};
  for (auto const& child : children_)
    if (child.process) keys.push_back(child.member.public_key);
  for (auto const& trusted : trusted_) keys.push_back(trusted.public_key);
  for (auto const& seed : configuration_.join) keys.push_back(seed.public_key);
  for (auto const& member : remote_view_.members) keys.push_back(member.public_key);
  return keys;
}

void supervisor::tell_everyone() {
  ++epoch_;
  auto const local = local_view();
  cluster_view word{local, trusted_keys()};
  for (auto const& member : remote_view_.members)
    if (member.supervisor != id_) word.view.members.push_back(member);
  word.view.exited.insert(word.view.exited.end(), remote_view_.exited.begin(), remote_view_.exited.end());
  auto const bytes = encoded(word);
  for (auto& child : children_)
    if (child.process) (void)child.process->control().send(control_type::view, bytes.reveal());
  if (announcer_) announcer_->announce({id_, local.members, local.exited});
}

bool supervisor::all_ended() const {
  return std::ranges::none_of(children_, [](slot const& child) { return child.process != nullptr; });
}

void supervisor::begin_stop() {
  if (stopping_) return;
  event_log("stopping");
  stopping_ = true;
  stop_by_ = boot_clock::now() + drain_patience;
  end_children();
}

/// Gateways first: what they still answer needs the others. Shards last: workers may need them to the end.
void supervisor::end_children() {
  auto const some_left = [this](messages::role role) {
    return std::ranges::any_of(
        children_, [role](slot const& child) { return child.process && has_role(child.plan.roles, role); });
  };
  bool const gateways_left = some_left(messages::role::gateway);
  bool const workers_left = some_left(messages::role::worker);
  for (auto& child : children_) {
    bool const is_gateway = has_role(child.plan.roles, messages::role::gateway);
    bool const waits =
        (gateways_left && !is_gateway) || (workers_left && has_role(child.plan.roles, messages::role::shard));
    if (!child.process || child.told_to_end || waits) continue;
    child.told_to_end = true;
    child.process->send_signal(SIGTERM);
  }
}

} // namespace mayfly::node
