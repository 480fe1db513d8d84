#include "cluster/node/node_process.hpp"

#include "cluster/membership/dialling.hpp"
#include "cluster/node/control_channel.hpp"
#include "cluster/node/event_log.hpp"
#include "cluster/node/hardening.hpp"
#include "cluster/node/http_surface.hpp"
#include "cluster/node/model_loading.hpp"
#include "cluster/node/processors.hpp"
#include "cluster/node/rank_wiring.hpp"
#include "cluster/node/status_json.hpp"
#include "cluster/node/tick_source.hpp"
#include "cluster/node_links.hpp"
#include "protocol/base/locked_memory.hpp"
#include "protocol/msgpack/codec.hpp"

#include <atomic>
#include <caf/send.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace mayfly::node {
namespace {

using namespace std::chrono_literals;
using messages::role;

constexpr auto tick_interval = 100ms;
constexpr auto beat_interval = 200ms;
constexpr auto stuck_engine = 60s;   ///< one step never takes that long: the supervisor replaces the process
constexpr auto drain_patience = 13s; ///< for answers to end by themselves
constexpr auto farewell_patience = 2s; ///< for what says that they were cut
constexpr auto last_frames = 100ms;    ///< until what was handed to the links is on its way

/// One node from start to end, step by step; each step may end it with an error.
class node_process {
public:
  explicit node_process(node_configuration configuration) : configuration_(std::move(configuration)) {
    if (configuration_.control >= 0) control_.emplace(configuration_.control);
    if (!configuration_.node) configuration_.node = node_id::make();
  }

  int run() {
    block_signals(); // before there is another thread: one that does not block them would die of them
    if (auto forbidden = forbid_new_privileges(); !forbidden) return refuse(forbidden.failure());
    tick_source const beats(beat_interval, [this] { beat(); });
    if (auto started = start(); !started) return refuse(started.failure());
    tick_source const ticks(tick_interval, [this] { tick(); });
    announce_ready();
    loop();
    drain();
    return 0;
  }

private:
  result<void> check() const {
    if (configuration_.secret_key.empty())
      return error{errc::configuration, "a node needs secret_key_file: `mayfly keys make FILE` makes one", 0};
    if (configuration_.ranks > 1 && !control_)
      return error{errc::configuration, "a model is split over ranks by `mayfly up` alone", 0};
    if (has_role(configuration_.roles, role::shard) != (configuration_.rank != 0))
      return error{errc::configuration, "a shard is a rank beside the first, of `mayfly up`", 0};
    if (only_works() && !configuration_.seeds.empty())
      return error{errc::configuration, "a worker connects nowhere: name it as a seed_node of the others", 0};
    return {};
  }

  bool only_works() const { return cluster::only_works(configuration_.roles); }

  result<void> start() {
    if (auto checked = check(); !checked) return checked;
    raise_limits();
    if (configuration_.ranks > 1)
      keep_to(share_of_processors(allowed_processors(), configuration_.place, configuration_.places,
                                  configuration_.threads));
    if (auto opened = open_files(); !opened) return opened;
    step_ = {};
    if (auto dropped = drop_privileges(); !dropped) return dropped;
    if (auto hardened = harden_process(); !hardened) return hardened;
    follow_supervisor();
    if (auto prepared = prepare_nccl(configuration_, step_); !prepared) return prepared;
    auto models = load_models(configuration_, step_);
    if (!models) return models.failure();
    step_ = {(configuration_.state_directory / configuration_.receipts).native(), "May this user write it?"};
    auto const reach = models->reach();
    auto roles = role_host::start(
        configuration_, std::move(*models),
        [this](name const& model, auto after, auto const& why) { wish_for_group(model, after, why); });
    if (!roles) return roles.failure();
    roles_ = std::move(*roles);
    step_ = {configuration_.listen.text(),
             "Is it this host's, and free? --listen and --worker-host give another"};
    if (auto linked = open_links(); !linked) {
      if (linked.failure().code != errc::io) step_ = {};
      return linked;
    }
    auto surface = http_surface::open(configuration_, std::move(tls_), *roles_, step_);
    if (!surface) return surface.failure();
    http_ = std::move(*surface);
    step_ = {};
    if (only_works()) return seal_worker(reach);
    return {};
  }

  void block_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGTERM, SIGINT}) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  }

  /// What only this process's first user may read; later paths are relative to the state directory, which may
  /// lie where the unprivileged user cannot walk.
  result<void> open_files() {
    if (has_role(configuration_.roles, role::worker) || has_role(configuration_.roles, role::shard))
      if (auto opened = open_model_files(configuration_, step_); !opened) return opened;
    if (has_role(configuration_.roles, role::gateway) && configuration_.http.tls) {
      step_ = {configuration_.http.certificate.native() + ", " + configuration_.http.private_key.native(),
               "Name a PEM chain with --certificate and its key with --private-key"};
      auto read =
          actors::http::read_certificate(configuration_.http.certificate, configuration_.http.private_key);
      if (!read) return read.failure();
      tls_ = std::move(*read);
    }
    bool const keeps_state = !only_works();
    auto const home =
        keeps_state && !configuration_.state_directory.empty() ? configuration_.state_directory : "/";
    step_ = {home.native(), "Give another with --directory (of a node: state_directory)"};
    if (keeps_state && !control_)
      if (auto made = make_state_directory(home); !made) return made;
    if ((keeps_state || control_) && chdir(home.c_str()) != 0)
      return error{errc::io, "the state directory cannot be entered", errno};
    return {};
  }

  /// A node that no supervisor prepared for: the directory belongs to the user whom this process becomes.
  static result<void> make_state_directory(std::filesystem::path const& path) {
    auto const owner = unprivileged_user();
    if (!owner) return owner.failure();
    if (mkdir(path.c_str(), 0700) == 0 && geteuid() == 0 && chown(path.c_str(), owner->uid, owner->gid) != 0)
      return error{errc::io, "the state directory could not be given to the unprivileged user", errno};
    return {};
  }

  void follow_supervisor() {
    if (!control_) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL); // had it died before, the control channel's end would tell
  }

  result<void> open_links() {
    cluster::node_links_options options;
    options.self = {configuration_.node,       configuration_.roles,      {},
                    configuration_.public_key, configuration_.supervisor, configuration_.region};
    options.bind = configuration_.listen;
    options.secret_key = configuration_.secret_key.clone();
    options.trusted = configuration_.trusted;
    options.is_seed = configuration_.seed;
    for (auto const& seed : configuration_.seeds) options.seeds.push_back({seed.endpoint, seed.public_key});
    auto links = cluster::node_links::start(roles_->system(), roles_->routes(), std::move(options));
    if (!links) return links.failure();
    links_ = std::move(*links);
    roles_->subscribe(links_->membership());
    return {};
  }

  void announce_ready() {
    event_log("node_ready").with("node", configuration_.node.text());
    if (auto const bytes = locked_memory_usage().unlocked_bytes; bytes != 0)
      event_log("memory_not_locked")
          .with("bytes", bytes)
          .with("why", "RLIMIT_MEMLOCK is too low: content may be swapped");
    if (!control_) return;
    child_ready ready{links_->self().endpoint, http_->api_port(), http_->admin_port()};
    ephemeral_bytes body;
    wire::encode(ready, body);
    ready_ = true;
    (void)control_->send(control_type::ready, body.reveal());
  }

  int refuse(error const& why) {
    auto const text = refusal_at(step_, why);
    event_log("cannot_start").with("why", text);
    if (control_)
      (void)control_->send(control_type::failed, std::as_bytes(std::span(text.data(), text.size())));
    return 1;
  }

  void beat() {
    if (!control_) return;
    if (ready_ && roles_->longest_engine_turn() > stuck_engine) return;
    if (!ready_) return (void)control_->send(control_type::loading);
    std::byte const serves[] = {std::byte{http_->serves()}};
    (void)control_->send(control_type::beat, serves);
  }

  void tick() {
    roles_->tick();
    caf::anon_send(links_->membership(), cluster::tick{});
  }

  void loop() {
    while (!stopping_) {
      pollfd watched[2] = {{signals_, POLLIN, 0}, {control_ ? control_->descriptor() : -1, POLLIN, 0}};
      poll(watched, control_ ? 2 : 1, 1000);
      signalfd_siginfo signal{};
      while (read(signals_, &signal, sizeof signal) == sizeof signal) stopping_ = true;
      if (watched[1].revents != 0) read_control();
    }
  }

  /// False: the supervisor is gone.
  bool read_control() {
    auto frames = control_->receive();
    if (!frames) {
      stopping_ = true;
      return false;
    }
    for (auto& frame : *frames) {
      if (frame.type == control_type::view) take_view(frame);
      if (frame.type == control_type::status_query) answer_status(frame);
      if (frame.type == control_type::group_seat) take_seat(frame);
      if (frame.type == control_type::group_over) leave_group(frame);
    }
    return true;
  }

  /// By the threads of ranks.
  void wish_for_group(name const& model, std::uint64_t after, std::optional<error> const& why) {
    if (why)
      event_log("group_not_formed")
          .with("model", model.view())
          .with("epoch", after)
          .with("why", in_words(*why));
    ephemeral_bytes body;
    wire::encode(group_wish{model, after}, body);
    (void)control_->send(control_type::group_wish, body.reveal());
  }

  void take_seat(control_frame& frame) {
    auto seat = wire::decode<group_seat>(frame.body);
    if (!seat) return;
    auto& wiring = wiring_[seat->model];
    wiring = {}; // one after the other: the earlier one's peers have left it
    wiring = std::jthread([this, seat = std::move(*seat), from = std::move(frame.descriptors)]() mutable {
      join_group(seat, std::move(from));
    });
  }

  /// Peers on other hosts may take seconds to answer: on a thread of its own.
  void join_group(group_seat const& seat, std::vector<owned_descriptor> descriptors) {
    auto offer = wire_group(seat, std::move(descriptors));
    if (offer) return roles_->take_seat(std::make_shared<actors::group_offer>(std::move(*offer)));
    event_log("group_not_joined").with("model", seat.model.text()).with("why", in_words(offer.failure()));
    wish_for_group(seat.model, seat.epoch, {});
  }

  void leave_group(control_frame const& frame) {
    if (auto const word = wire::decode<group_wish>(frame.body))
      roles_->leave_group({word->model, word->after});
  }

  void take_view(control_frame const& frame) {
    auto word = wire::decode<cluster_view>(frame.body);
    if (!word) return;
    links_->set_trusted(word->trusted);
    links_->set_local_view(std::move(word->view));
  }

  void answer_status(control_frame const& frame) {
    auto const status = roles_->status();
    std::string text(reinterpret_cast<char const*>(frame.body.data()), frame.body.size());
    text += status ? status_json(*status) : "null";
    (void)control_->send(control_type::status_answer, std::as_bytes(std::span(text.data(), text.size())));
  }

  void drain() {
    event_log("draining");
    roles_->drain(links_->local());
    http_->drain();
    if (!wait_until_idle(drain_patience)) {
      event_log("answers_cut");
      roles_->end_answers();
      wait_until_idle(farewell_patience);
    }
    std::this_thread::sleep_for(last_frames);
  }

  /// Trust and questions of the status go on meanwhile.
  bool wait_until_idle(std::chrono::milliseconds patience) {
    auto const end = boot_clock::now() + patience;
    bool idle = false;
    bool supervised = control_.has_value();
    while (!(idle = http_->connections() == 0 && !roles_->busy()) && boot_clock::now() < end) {
      pollfd watched{supervised ? control_->descriptor() : -1, POLLIN, 0};
      if (poll(&watched, 1, 20) > 0) supervised = read_control();
    }
    return idle;
  }

  node_configuration configuration_;
  std::optional<control_channel> control_;
  std::optional<actors::http::certificate> tls_;
  start_step step_;
  std::unique_ptr<role_host> roles_;
  std::unique_ptr<cluster::node_links> links_;
  std::unique_ptr<http_surface> http_;
  std::atomic<bool> ready_{false};
  int signals_ = -1;
  bool stopping_ = false;
  std::map<name, std::jthread> wiring_; ///< a model's ranks; ends first
};

} // namespace

int run_node(node_configuration configuration) { return node_process(std::move(configuration)).run(); }

} // namespace mayfly::node
