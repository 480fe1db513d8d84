// Times Gloo's sums over two ranks, processes that speak TCP over loopback:  gloo_all_reduce BYTES OPERATIONS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <gloo/allreduce.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

int main(int count, char** values) {
  if (count != 3) return 2;
  char meeting[] = "/tmp/gloo_all_reduce.XXXXXX";
  if (mkdtemp(meeting) == nullptr) return 1;
  pid_t const other = fork();
  int const rank = other == 0 ? 1 : 0;
  std::vector<double> times;
  {
    gloo::transport::tcp::attr where;
    where.hostname = "127.0.0.1";
    auto device = gloo::transport::tcp::CreateDevice(where);
    auto store = gloo::rendezvous::FileStore(meeting);
    auto const context = std::make_shared<gloo::rendezvous::Context>(rank, 2);
    context->connectFullMesh(store, device);
    std::size_t const warm_up = 50;
    std::size_t const operations = std::strtoull(values[2], nullptr, 10);
    std::vector<float> data(std::strtoull(values[1], nullptr, 10) / sizeof(float), 0.0F);
    for (std::size_t operation = 0; operation < warm_up + operations; ++operation) {
      auto const began = std::chrono::steady_clock::now();
      gloo::AllreduceOptions options(context);
      options.setOutput(data.data(), data.size());
      options.setReduceFunction([](void* into, void const* one, void const* two, std::size_t size) {
        gloo::sum<float>(into, one, two, size);
      });
      gloo::allreduce(options);
      auto const took = std::chrono::steady_clock::now() - began;
      if (operation >= warm_up) times.push_back(std::chrono::duration<double, std::micro>(took).count());
    }
  }
  if (rank == 1) _exit(0);
  waitpid(other, nullptr, 0);
  std::filesystem::remove_all(meeting);
  std::sort(times.begin(), times.end());
  std::printf("{\"p50_us\": %.2f, \"p99_us\": %.2f}\n", times[times.size() / 2],
              times[times.size() * 99 / 100]);
}
