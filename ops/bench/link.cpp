// Round trips over one CURVE link on loopback: latency one at a time, and throughput with many under way.
// Beside them what the machine takes for the least of it: two threads that wake each other in turn.
// Usage: bench_link [round trips] [payload bytes]
#include "cluster/transport/transport.hpp"
#include "protocol/crypto/keys.hpp"
#include "protocol/msgpack/envelope.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::cluster;

namespace {

using steady = std::chrono::steady_clock;

/// Counts what arrives; the far end sends it back.
class ear final : public link_listener {
public:
  explicit ear(std::size_t echo_bytes) : echo_bytes_(echo_bytes) {}
  void up(peer_ref const& peer, link_direction) override {
    std::lock_guard const lock(mutex_);
    peer_ = peer;
    changed_.notify_all();
  }
  void down(peer_ref const&, error const&) override {}
  result<void> arrived(peer_ref const& from, wire::envelope_view const& opened) override {
    auto const chunk = wire::payload_of<messages::output_chunk>(opened);
    if (!chunk) return chunk.failure();
    if (echo_bytes_ != 0) {
      messages::output_chunk answer;
      answer.text.resize(echo_bytes_);
      from->send(std::move(answer));
    }
    std::lock_guard const lock(mutex_);
    ++count_;
    changed_.notify_all();
    return {};
  }
  peer_ref wait_peer() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return peer_ != nullptr; });
    return peer_;
  }
  void wait_count(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= count; });
  }

private:
  std::size_t const echo_bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  peer_ref peer_;
  std::size_t count_ = 0;
};

std::unique_ptr<transport> start(crypto::link_key const& key, messages::bytes32 const& trusted,
                                 ear& listener) {
  transport_options options;
  options.node = node_id::make();
  options.public_key = key.public_key;
  options.secret_key = key.secret.clone();
  options.bind = *name::parse("tcp://127.0.0.1:*");
  options.trusted = {trusted};
  auto made = transport::start(std::move(options), listener);
  if (!made) std::abort();
  (*made)->open();
  return std::move(*made);
}

void send(peer_ref const& to, std::size_t bytes) {
  messages::output_chunk chunk;
  chunk.text.resize(bytes);
  to->send(std::move(chunk));
}

void wake(int descriptor) {
  std::uint64_t const one = 1;
  if (write(descriptor, &one, sizeof one) != sizeof one) std::abort();
}

void await(int descriptor) {
  std::uint64_t count = 0;
  if (read(descriptor, &count, sizeof count) != sizeof count) std::abort();
}

double microseconds(steady::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

/// Sorted microseconds of `trips` wake-ups there and back.
std::vector<double> time_wake_ups(std::size_t trips) {
  int const there = eventfd(0, EFD_CLOEXEC);
  int const back = eventfd(0, EFD_CLOEXEC);
  std::jthread const other([=] {
    for (std::size_t trip = 0; trip < trips; ++trip) await(there), wake(back);
  });
  std::vector<double> times;
  for (std::size_t trip = 0; trip < trips; ++trip) {
    auto const began = steady::now();
    wake(there);
    await(back);
    times.push_back(microseconds(steady::now() - began));
  }
  std::sort(times.begin(), times.end());
  return times;
}

std::size_t argument(int count, char** values, int index, std::size_t otherwise) {
  return index < count ? static_cast<std::size_t>(std::strtoull(values[index], nullptr, 10)) : otherwise;
}

} // namespace

int main(int count, char** values) {
  auto const trips = argument(count, values, 1, 20'000);
  auto const bytes = argument(count, values, 2, 200);
  auto const near_key = crypto::link_key::generate();
  auto const far_key = crypto::link_key::generate();
  ear near_ear(0);
  ear far_ear(bytes);
  auto const far_end = start(far_key, near_key.public_key, far_ear);
  auto const near_end = start(near_key, far_key.public_key, near_ear);
  near_end->dial({far_end->endpoint(), far_key.public_key, {}, {}, {}});
  auto const peer = near_ear.wait_peer();
  std::vector<double> latencies;
  for (std::size_t trip = 1; trip <= trips; ++trip) {
    auto const began = steady::now();
    send(peer, bytes);
    near_ear.wait_count(trip);
    latencies.push_back(microseconds(steady::now() - began));
  }
  std::sort(latencies.begin(), latencies.end());
  auto const began = steady::now();
  for (std::size_t trip = 0; trip < trips; ++trip) send(peer, bytes);
  near_ear.wait_count(2 * trips);
  auto const seconds = microseconds(steady::now() - began) / 1e6;
  auto const wake_ups = time_wake_ups(trips);
  std::printf("{\"bytes\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"round_trips_per_second\": %.0f, "
              "\"wake_up_round_trip_us\": %.1f}\n",
              bytes, latencies[trips / 2], latencies[trips * 99 / 100], static_cast<double>(trips) / seconds,
              wake_ups[trips / 2]);
}
