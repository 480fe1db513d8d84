// Times sums over two ranks, a process each: the median and the 99th percentile of one operation at rank 0.
//   bench_collective CARRIER BYTES OPERATIONS [SLOT_BYTES]
// Carriers: shared_memory (slots of 1 MiB unless said otherwise); unix and tcp, both encrypted; sealing: the
// cipher alone, what one rank seals and opens in one operation.
#include "cluster/transport/sealed_channel.hpp"
#include "gpu/collective/shared_memory/shared_memory_collective.hpp"
#include "gpu/collective/tcp/tcp_collective.hpp"
#include "protocol/crypto/aead.hpp"
#include "protocol/crypto/initialise.hpp"
#include "protocol/crypto/random.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace mayfly;

namespace {

using steady = std::chrono::steady_clock;
using made_collective = std::unique_ptr<gpu::collective>;

constexpr std::size_t warm_up = 50;

void demand(bool held, char const* what) {
  if (held) return;
  std::fprintf(stderr, "bench_collective: %s\n", what);
  std::exit(1);
}

struct order {
  std::string_view carrier;
  std::size_t bytes;
  std::size_t operations;
  std::size_t slot_bytes;
};

std::pair<int, int> connected(bool over_tcp) {
  int pair[2] = {};
  if (!over_tcp) {
    demand(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no sockets");
    return {pair[0], pair[1]};
  }
  int const listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  int const near_end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool const joined = bind(listener, raw, size) == 0 && listen(listener, 1) == 0 &&
                      getsockname(listener, raw, &size) == 0 && connect(near_end, raw, size) == 0;
  demand(joined, "no loopback connection");
  int const far_end = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  close(listener);
  return {near_end, far_end};
}

made_collective over_shared_memory(gpu::shared_memory::segment const& memory, std::uint32_t rank) {
  auto mapped = gpu::shared_memory::segment::map(memory.descriptor());
  demand(mapped.has_value(), "no shared memory");
  auto made = gpu::make_shared_memory_collective(std::move(*mapped), {rank, std::chrono::seconds(20), {}});
  demand(made.has_value(), "no collective");
  return std::move(*made);
}

made_collective over_socket(int socket, std::uint32_t rank, std::span<std::byte const> key) {
  auto channel = cluster::open_sealed_channel(socket, {"bench", "collective", 1, rank, 1 - rank}, key,
                                              boot_clock::now() + std::chrono::seconds(20));
  demand(channel.has_value(), "no channel");
  gpu::tcp::channels peers(2);
  peers[1 - rank] = std::move(*channel);
  gpu::tcp_options options;
  options.rank = rank;
  options.patience = std::chrono::seconds(20);
  auto made = gpu::make_tcp_collective(std::move(peers), options);
  demand(made.has_value(), "no collective");
  return std::move(*made);
}

/// Sorted microseconds of each operation.
std::vector<double> time_sums(gpu::collective& own, order const& wanted) {
  std::vector<float> data(wanted.bytes / sizeof(float), 0.0F);
  std::vector<double> times;
  for (std::size_t operation = 0; operation < warm_up + wanted.operations; ++operation) {
    auto const began = steady::now();
    own.all_reduce(data.data(), data.size());
    auto const took = std::chrono::duration<double, std::micro>(steady::now() - began).count();
    if (operation >= warm_up) times.push_back(took);
  }
  demand(own.failure().has_value(), "a rank was lost");
  std::ranges::sort(times);
  return times;
}

/// A rank a processor, as mpirun does by itself: else the kernel may keep both on one.
void stay_on(std::size_t processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  demand(sched_setaffinity(0, sizeof one, &one) == 0, "needs processors 0 and 1");
}

std::vector<double> time_ranks(order const& wanted) {
  auto const key = crypto::random_bytes(crypto::cipher_key_bytes);
  auto const memory = gpu::shared_memory::segment::create(2, wanted.slot_bytes / sizeof(float));
  demand(memory.has_value(), "no shared memory");
  bool const shared = wanted.carrier == "shared_memory";
  auto const ends = shared ? std::pair{-1, -1} : connected(wanted.carrier == "tcp");
  auto const join = [&](std::uint32_t rank) {
    return shared ? over_shared_memory(*memory, rank)
                  : over_socket(rank == 0 ? ends.first : ends.second, rank, key.reveal());
  };
  pid_t const other = fork();
  demand(other >= 0, "no second process");
  if (other == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends.first);
    stay_on(1);
    time_sums(*join(1), wanted);
    _exit(0);
  }
  close(ends.second);
  stay_on(0);
  auto times = time_sums(*join(0), wanted);
  waitpid(other, nullptr, 0);
  return times;
}

std::vector<double> time_sealing(order const& wanted) {
  demand(crypto::initialise().has_value(), "no libsodium");
  crypto::frame_sealer sealer(crypto::random_bytes(crypto::cipher_key_bytes));
  auto const chunk = std::min(wanted.bytes, gpu::tcp::chunk_floats * sizeof(float));
  std::vector<std::byte> plain(chunk);
  std::vector<std::byte> sealed(chunk + crypto::seal_bytes);
  std::vector<double> times;
  for (std::size_t operation = 0; operation < wanted.operations; ++operation) {
    auto const began = steady::now();
    // To open takes as long as to seal, and each rank does both.
    for (std::size_t done = 0; done < 2 * wanted.bytes; done += chunk) sealer.seal({}, plain, sealed);
    times.push_back(std::chrono::duration<double, std::micro>(steady::now() - began).count());
  }
  std::ranges::sort(times);
  return times;
}

} // namespace

int main(int count, char** values) {
  demand(count == 4 || count == 5, "bench_collective CARRIER BYTES OPERATIONS [SLOT_BYTES]");
  order const wanted{values[1], std::strtoull(values[2], nullptr, 10), std::strtoull(values[3], nullptr, 10),
                     count == 5 ? std::strtoull(values[4], nullptr, 10) : std::size_t{1} << 20};
  bool const known = wanted.carrier == "shared_memory" || wanted.carrier == "unix" ||
                     wanted.carrier == "tcp" || wanted.carrier == "sealing";
  demand(known && wanted.bytes >= 4 && wanted.operations > 0, "no such carrier, or nothing to do");
  auto const times = wanted.carrier == "sealing" ? time_sealing(wanted) : time_ranks(wanted);
  std::printf("{\"p50_us\": %.2f, \"p99_us\": %.2f}\n", times[times.size() / 2],
              times[times.size() * 99 / 100]);
}
