// What a supervisor makes before and removes after: directories, keys, the first API key, the children's
// files.
#include "actors/accounts/key_file.hpp"
#include "actors/gateway/http/certificate.hpp"
#include "cluster/membership/announcer.hpp"
#include "cluster/membership/dialling.hpp"
#include "cluster/node/event_log.hpp"
#include "cluster/node/hardening.hpp"
#include "cluster/node/supervisor.hpp"
#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/secret_file.hpp"

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mayfly::node {
namespace {

constexpr auto certificate_reserve = std::chrono::hours(24 * 30);
constexpr std::chrono::seconds seed_patience{3};
constexpr std::chrono::seconds children_patience{2};

error failed(literal what) { return error{errc::io, what, errno}; }

result<void> make_directory(std::filesystem::path const& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    return failed("a directory of the cluster could not be made");
  return {};
}

int signal_descriptor() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

} // namespace

result<void> supervisor::prepare(start_step& step) {
  raise_limits();
  if (auto hardened = harden_process(); !hardened) return hardened; // it holds every key of the cluster
  signals_ = signal_descriptor();
  auto const& directory = configuration_.directory;
  auto const about = [&](std::filesystem::path const& path) {
    step = {std::filesystem::absolute(path).native(),
            "Give another with --directory: its parent must exist, and this user may write there"};
    return path;
  };
  if (auto made = make_directory(about(directory), 0755); !made) return made;
  if (auto made = make_directory(about(directory / "keys"), 0700); !made) return made;
  auto socket = command_socket::open(about(directory / "mayfly.sock"));
  if (!socket) {
    if (socket.failure().code == errc::not_permitted) step.advice = "`mayfly stop` ends it";
    return socket.failure();
  }
  commands_ = std::move(*socket);
  // An earlier supervisor that was killed told nobody of its children's end.
  for (auto const node : record_.gone(children_patience)) exited_.push_back({node, unix_milliseconds()});
  about(directory / "keys");
  if (auto made = prepare_keys(); !made) return made;
  about(directory / "state");
  if (auto made = prepare_state_directory(); !made) return made;
  if (auto met = meet_rank_hosts(step); !met) return met;
  step = {};
  if (!configuration_.join.empty()) return start_announcer();
  return {};
}

result<void> supervisor::prepare_keys() {
  auto own = keys_.supervisor_keys();
  if (!own) return own.failure();
  own_keys_ = std::move(*own);
  auto seed = keys_.seed_keys();
  if (!seed) return seed.failure();
  seed_keys_ = std::move(*seed);
  auto receipt = keys_.secret("receipt.key");
  if (!receipt) return receipt.failure();
  auto const signer = crypto::signing_key::from_seed(receipt->reveal());
  if (!signer) return signer.failure();
  receipt_key_ = crypto::to_hexadecimal(signer->public_key());
  receipt_seed_ = std::move(*receipt);
  auto pseudonym = keys_.secret("pseudonym.key");
  if (!pseudonym) return pseudonym.failure();
  pseudonym_key_ = std::move(*pseudonym);
  trusted_ = keys_.trusted();
  return {};
}

result<void> supervisor::prepare_state_directory() {
  auto const state = configuration_.directory / "state";
  if (auto made = make_directory(state, 0700); !made) return made;
  auto const owner = unprivileged_user();
  if (!owner) return owner.failure();
  if (geteuid() == 0 && chown(state.c_str(), owner->uid, owner->gid) != 0)
    return failed("the state directory could not be given to the unprivileged user");
  if (!configuration_.join.empty()) return {};
  if (auto made = prepare_certificate(); !made) return made;
  auto keys = actors::accounts::key_file::open(state / "api_keys.jsonl");
  if (!keys) return keys.failure();
  // A supervisor that was killed left its own behind: each ends with its cluster.
  auto const known = (*keys)->list();
  if (!known) return known.failure();
  for (auto const& key : *known)
    if (key.revoked_unix_ms == 0 && key.owner.title.view().starts_with(cluster_key_prefix))
      if (auto revoked = (*keys)->revoke(key.owner.title.view()); !revoked) return revoked;
  auto made = (*keys)->add(cluster_key_name().view());
  if (!made) return made.failure();
  api_key_ = std::move(made->key);
  return {};
}

/// Self-signed, once a directory and until a month before it ends: every gateway of the cluster shows the
/// same one, also after a restart. In directories that no child can write to.
result<void> supervisor::prepare_certificate() {
  auto const& http = configuration_.http;
  if (!http.tls || !http.certificate.empty()) return {};
  std::vector<std::string> const names{"localhost", "127.0.0.1", "::1", http.address};
  auto const present = actors::http::read_certificate(self_signed_chain(), self_signed_key());
  if (present && actors::http::is_good_for(present->chain_pem, names, certificate_reserve)) return {};
  auto made = actors::http::make_self_signed(names);
  if (!made) return made.failure();
  auto const pem = made->key_pem.reveal();
  auto const written =
      crypto::write_secret(self_signed_key(), std::as_bytes(std::span(pem.data(), pem.size())));
  if (!written) return written;
  std::ofstream chain(self_signed_chain(), std::ios::trunc);
  if (!(chain << made->chain_pem << std::flush)) return failed("the certificate could not be written");
  event_log("certificate_made");
  return {};
}

std::filesystem::path supervisor::self_signed_chain() const {
  return std::filesystem::absolute(configuration_.directory / "certificate.pem");
}

std::filesystem::path supervisor::self_signed_key() const {
  return std::filesystem::absolute(configuration_.directory / "keys" / "certificate.key");
}

name supervisor::cluster_key_name() const {
  return *name::parse(std::string(cluster_key_prefix) + id_.text());
}

result<void> supervisor::start_announcer() {
  std::vector<cluster::seed_address> seeds;
  for (auto const& seed : configuration_.join) seeds.push_back({seed.endpoint, seed.public_key});
  cluster::announcer_options options;
  options.supervisor = id_;
  options.public_key = own_keys_.public_key;
  options.secret_key = own_keys_.secret.clone();
  options.seeds = std::move(seeds);
  options.on_view = [this](messages::member_view const& view) {
    std::scoped_lock const guard(heard_mutex_);
    heard_ = view;
  };
  auto started = cluster::announcer::start(std::move(options));
  if (!started) return started.failure();
  announcer_ = std::move(*started);
  seeds_seen_ = boot_clock::now();
  return {};
}

/// A seed that does not trust this host answers nothing, as one that is away: the operator is told once.
void supervisor::watch_seeds() {
  bool const linked = announcer_->linked_seeds() != 0;
  auto const now = boot_clock::now();
  if (linked) seeds_seen_ = now;
  bool const missed = !linked && now - seeds_seen_ > seed_patience;
  if (missed == seeds_missed_) return;
  seeds_missed_ = missed;
  auto const endpoint = configuration_.join.front().endpoint.text();
  if (!missed) return void(event_log("joined").with("seed", endpoint));
  event_log("not_joined")
      .with("seed", endpoint)
      .with("why", "is it up, and does it trust this host? Run there: mayfly keys trust NAME " +
                       crypto::to_hexadecimal(own_keys_.public_key));
}

node_configuration supervisor::configure(slot const& child, crypto::link_key keys) const {
  node_configuration node;
  node.node = child.member.node;
  node.supervisor = id_;
  node.roles = child.plan.roles;
  node.region = configuration_.region;
  node.listen = listen_address(child.plan);
  node.public_key = keys.public_key;
  node.secret_key = std::move(keys.secret);
  if (has_role(node.roles, messages::role::retention)) {
    node.receipt_seed = receipt_seed_.clone();
    node.pseudonym_key = pseudonym_key_.clone();
  }
  node.trusted = trusted_keys();
  node.seed = child.plan.seed;
  if (!node.seed && !cluster::only_works(node.roles) && configuration_.join.empty())
    node.seeds.push_back({{}, seed_keys_.public_key}); // whom other hosts announce themselves to
  node.state_directory = std::filesystem::absolute(configuration_.directory / "state");
  node.http = configuration_.http;
  node.http.port = child.plan.http_port;
  node.http.admin_port = child.plan.admin_port;
  node.models = configuration_.models;
  for (auto& model : node.models) model.file = std::filesystem::absolute(model.file);
  bool const self_signed = node.http.tls && node.http.certificate.empty();
  if (self_signed) node.http.certificate = self_signed_chain();
  if (self_signed) node.http.private_key = self_signed_key();
  if (node.http.tls) node.http.certificate = std::filesystem::absolute(node.http.certificate);
  if (node.http.tls) node.http.private_key = std::filesystem::absolute(node.http.private_key);
  node.threads = child.plan.threads;
  node.rank = child.plan.rank;
  node.ranks = child.plan.ranks;
  node.place = child.plan.place;
  node.places = child.plan.places;
  node.nccl = configuration_.nccl;
  node.nccl.spans_hosts = spans_hosts();
  if (!node.nccl.library.empty()) node.nccl.library = std::filesystem::absolute(node.nccl.library);
  return node;
}

name supervisor::listen_address(child_plan const& plan) const {
  if (plan.seed && !configuration_.listen.empty()) return configuration_.listen;
  auto const host =
      configuration_.worker_host.empty() ? std::string("127.0.0.1") : configuration_.worker_host.text();
  return *name::parse("tcp://" + host + ":*");
}

void supervisor::finish() {
  unlink((configuration_.directory / "cluster.json").c_str());
  if (configuration_.join.empty()) {
    auto keys = actors::accounts::key_file::open(configuration_.directory / "state" / "api_keys.jsonl");
    if (keys) (void)(*keys)->revoke(cluster_key_name().view());
  }
  event_log("stopped");
}

} // namespace mayfly::node
