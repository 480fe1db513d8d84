// Times Open MPI's sums over two ranks as bench_collective times ours:  mpirun -n 2 mpi_all_reduce BYTES
// OPERATIONS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mpi.h>
#include <vector>

int main(int count, char** values) {
  MPI_Init(&count, &values);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  std::size_t const warm_up = 50;
  std::size_t const operations = std::strtoull(values[2], nullptr, 10);
  std::vector<float> data(std::strtoull(values[1], nullptr, 10) / sizeof(float), 0.0F);
  std::vector<double> times;
  for (std::size_t operation = 0; operation < warm_up + operations; ++operation) {
    auto const began = std::chrono::steady_clock::now();
    MPI_Allreduce(MPI_IN_PLACE, data.data(), static_cast<int>(data.size()), MPI_FLOAT, MPI_SUM,
                  MPI_COMM_WORLD);
    auto const took = std::chrono::steady_clock::now() - began;
    if (operation >= warm_up) times.push_back(std::chrono::duration<double, std::micro>(took).count());
  }
  std::sort(times.begin(), times.end());
  if (rank == 0)
    std::printf("{\"p50_us\": %.2f, \"p99_us\": %.2f}\n", times[times.size() / 2],
                times[times.size() * 99 / 100]);
  MPI_Finalize();
}
