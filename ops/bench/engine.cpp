// Speed of the bare engine, to be compared with llama-bench on the same file and threads: tokens/s of prefill
// (prompts of N tokens, as llama-bench's pp) and of decode (M tokens for each of B sequences, as its tg; with
// B > 1 as llama-batched-bench's); and the time that one request for one token takes, the base to which a
// cluster adds. Prints one JSON object; the figures of every repetition are in it, because on a shared
// machine the best one is the figure to compare.
#include "gpu/engine.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace mayfly;
using namespace mayfly::gpu;
using seconds = std::chrono::duration<double>;

struct bench_options {
  engine_options engine;
  std::uint32_t prefill = 512; ///< tokens of each prompt
  std::uint32_t decode = 128;  ///< tokens generated after the first
  std::uint32_t batch = 1;     ///< sequences at once
  std::uint32_t depth = 1;     ///< prompt tokens before decode
  std::uint32_t repeat = 3;
  std::uint32_t latency = 0; ///< requests of `depth` prompt tokens and one generated token, one after another
};

constexpr char const* usage =
    "usage: bench_engine --model FILE.gguf [--prefill N] [--decode M] [--batch B] [--depth D] [--repeat R]\n"
    "                    [--threads T] [--step-tokens S] [--latency N] [--device auto|cpu|cuda[:INDEX]]\n";

bool read_options(int count, char** arguments, bench_options& options) {
  for (int index = 1; index + 1 < count; index += 2) {
    std::string const name = arguments[index];
    char const* const value = arguments[index + 1];
    if (name == "--model") {
      options.engine.model = value;
      continue;
    }
    if (name == "--device") {
      auto const device = parse_device(value);
      if (!device) return false;
      options.engine.device = *device;
      continue;
    }
    std::uint32_t number = 0;
    auto const [end, failure] = std::from_chars(value, value + std::strlen(value), number);
    if (failure != std::errc() || *end != 0) return false;
    if (name == "--prefill")
      options.prefill = number;
    else if (name == "--decode")
      options.decode = number;
    else if (name == "--batch")
      options.batch = number;
    else if (name == "--depth")
      options.depth = number;
    else if (name == "--repeat")
      options.repeat = number;
    else if (name == "--latency")
      options.latency = number;
    else if (name == "--threads")
      options.engine.threads = number;
    else if (name == "--step-tokens")
      options.engine.step_tokens = number;
    else
      return false;
  }
  bool const positive = options.batch > 0 && options.depth > 0 && options.repeat > 0;
  return count % 2 == 1 && !options.engine.model.path.empty() && positive;
}

/// Submits `batch` sequences and runs them to the end. Returns the seconds until each has its first token,
/// and those from there to the end; negative if a sequence failed.
std::pair<double, double> time_run(engine& subject, std::uint32_t batch, std::uint32_t prompt_tokens,
                                   std::uint32_t generated) {
  auto const vocabulary = subject.vocabulary_size();
  for (std::uint32_t number = 0; number < batch; ++number) {
    sequence_request request;
    for (std::uint32_t index = 0; index < prompt_tokens; ++index)
      request.prompt.push_back(static_cast<token_id>((index * 7919U + number * 104729U + 11U) % vocabulary));
    request.sampling.temperature = 0;
    request.max_tokens = generated;
    request.ignore_stop_tokens = true;
    if (!subject.submit(std::move(request))) return {-1, -1};
  }
  auto const start = std::chrono::steady_clock::now();
  auto first = start;
  std::size_t arrived = 0;
  while (subject.has_work()) {
    bool const all_before = arrived >= batch;
    for (auto const& event : subject.step()) {
      if (event.finish == finish_reason::failed) return {-1, -1};
      ++arrived;
    }
    if (!all_before && arrived >= batch) first = std::chrono::steady_clock::now();
  }
  return {seconds(first - start).count(), seconds(std::chrono::steady_clock::now() - first).count()};
}

void print_figures(char const* name, std::vector<double> const& figures) {
  std::printf("\"%s\": {\"best\": %.2f, \"all\": [", name, *std::max_element(figures.begin(), figures.end()));
  for (std::size_t index = 0; index < figures.size(); ++index)
    std::printf("%s%.2f", index == 0 ? "" : ", ", figures[index]);
  std::printf("]}");
}

/// Microseconds of each of `count` requests for one token, sorted; empty if one failed.
std::vector<double> time_requests(engine& subject, std::uint32_t count, std::uint32_t prompt_tokens) {
  std::vector<double> times;
  for (std::uint32_t number = 0; number < count; ++number) {
    auto const took = time_run(subject, 1, prompt_tokens, 1).first;
    if (took < 0) return {};
    times.push_back(took * 1e6);
  }
  std::sort(times.begin(), times.end());
  return times;
}

void print_latency(std::vector<double> const& sorted) {
  std::printf(
      ", \"one_token_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"max\": %.1f, \"count\": %zu}",
      sorted[sorted.size() / 2], sorted[sorted.size() * 9 / 10], sorted[sorted.size() * 99 / 100],
      sorted.back(), sorted.size());
}

int run(bench_options const& options) {
  auto loaded = engine::load(options.engine);
  if (!loaded) {
    auto const& failure = loaded.failure();
    std::fprintf(stderr, "%.*s\n", static_cast<int>(failure.what.view().size()), failure.what.view().data());
    return 1;
  }
  auto& subject = **loaded;
  std::vector<double> prefill;
  std::vector<double> decode;
  for (std::uint32_t round = 0; round < options.repeat; ++round) {
    if (options.prefill > 0) {
      auto const [took, rest] = time_run(subject, options.batch, options.prefill, 1);
      if (took < 0) return std::fputs("a sequence failed or was refused in prefill\n", stderr), 1;
      prefill.push_back(options.batch * options.prefill / took);
    }
    if (options.decode > 0) {
      auto const [first, took] = time_run(subject, options.batch, options.depth, options.decode + 1);
      if (took < 0) return std::fputs("a sequence failed or was refused in decode\n", stderr), 1;
      decode.push_back(options.batch * options.decode / took);
    }
  }
  auto const latencies = time_requests(subject, options.latency, options.depth);
  if (latencies.size() != options.latency) return std::fputs("a request for one token failed\n", stderr), 1;
  auto const figures = subject.figures();
  std::printf("{\"model\": \"%s\", \"backend\": \"%.*s\", \"threads\": %u, ",
              options.engine.model.path.filename().c_str(),
              static_cast<int>(subject.backend_name().view().size()), subject.backend_name().view().data(),
              options.engine.threads);
  std::printf(
      "\"prefill_tokens\": %u, \"decode_tokens\": %u, \"batch\": %u, \"depth\": %u, \"step_tokens\": %u, "
      "\"weight_bytes\": %zu, \"preemptions\": %llu",
      options.prefill, options.decode, options.batch, options.depth, options.engine.step_tokens,
      figures.weight_bytes, static_cast<unsigned long long>(figures.preemptions));
  if (!prefill.empty()) std::printf(", "), print_figures("prefill_tokens_per_second", prefill);
  if (!decode.empty()) std::printf(", "), print_figures("decode_tokens_per_second", decode);
  if (!latencies.empty()) print_latency(latencies);
  std::printf("}\n");
  return 0;
}

} // namespace

int main(int count, char** arguments) {
  bench_options options;
  if (!read_options(count, arguments, options)) return std::fputs(usage, stderr), 2;
  return run(options);
}
