// Models through the engine. `compare`: the device's greedy tokens and log probabilities beside the
// processors'. `llama`: tokens/s of an 8B llama made of random bf16 weights.
//
//   check_generation compare MODEL.gguf...
//   check_generation llama FOLDER READ_BYTES_PER_SECOND MATRIX_OPERATIONS_PER_SECOND
#include "gpu/check/conversations.hpp"
#include "gpu/check/findings.hpp"
#include "gpu/check/llama_file.hpp"
#include "gpu/check/machine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>

namespace mayfly::gpu::check {
namespace {

using steady = std::chrono::steady_clock;

double since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}

// The processors round activations of quantised products to 15 bits, the device those of long prompts to 8.
// By emulation, 48 tokens of the test models: up to 0.004, of micro-mixed, whose weights are random k-quants,
// 0.054.
constexpr double logprob_tolerance = 0.1;

std::vector<sequence_request> asked(std::uint32_t vocabulary, std::uint32_t tokens, bool logprobs) {
  std::vector<sequence_request> all;
  for (std::uint32_t number = 0; number < 3; ++number) {
    all.push_back(request_number(number, 5 + number * 14, tokens, vocabulary));
    all.back().sampling.logprobs = logprobs;
    all.back().sampling.top_logprobs = logprobs ? 2 : 0;
  }
  return all;
}

struct comparison {
  std::size_t tokens = 0;
  std::size_t same = 0;      ///< before a sequence parts from the reference
  double logprob_error = 0;  ///< the largest, over those
  double parting_margin = 0; ///< the reference's choice against its second best, where sequences part: a tie
};

comparison compare(std::vector<generated> const& device, std::vector<generated> const& reference) {
  comparison seen;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    auto const& mine = device[i];
    auto const& theirs = reference[i];
    seen.tokens += theirs.tokens.size();
    if (mine.tokens.size() != theirs.tokens.size()) seen.parting_margin = HUGE_VAL;
    auto const count = std::min(mine.tokens.size(), theirs.tokens.size());
    for (std::size_t at = 0; at < count; ++at) {
      if (mine.tokens[at] != theirs.tokens[at]) {
        seen.parting_margin = std::max(seen.parting_margin, static_cast<double>(theirs.margins[at]));
        break;
      }
      ++seen.same;
      auto const error =
          std::abs(static_cast<double>(mine.logprobs[at]) - static_cast<double>(theirs.logprobs[at]));
      seen.logprob_error = std::isnan(error) ? HUGE_VAL : std::max(seen.logprob_error, error);
    }
  }
  return seen;
}

bool same_tokens(std::vector<generated> const& one, std::vector<generated> const& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](auto const& a, auto const& b) { return a.tokens == b.tokens; });
}

void compare_model(std::filesystem::path const& model) {
  std::uint32_t const tokens = is_real() ? 48 : 6;
  auto processors = make_cpu_backend({});
  auto device = open_backend();
  if (!processors || device == nullptr) throw std::runtime_error("no backend");
  auto const reference = load_engine(model, std::move(*processors), {});
  auto const subject = load_engine(model, std::move(device), {});
  auto const vocabulary = reference->vocabulary_size();
  auto const expected = generate(*reference, asked(vocabulary, tokens, true));
  auto const got = generate(*subject, asked(vocabulary, tokens, true));
  auto const drawn = generate(*subject, asked(vocabulary, tokens, false)); // on the device, replayed
  auto const seen = compare(got, expected);
  auto const name = model.stem().string();
  tell_at_most("generation", name + ": log probabilities beside the processors'", seen.logprob_error,
               logprob_tolerance, "largest difference");
  tell_at_most("generation", name + ": where greedy tokens part, the processors' margin", seen.parting_margin,
               logprob_tolerance, "log probability");
  finding same;
  same.part = "generation";
  same.what = name + ": greedy tokens as the processors'";
  same.value = static_cast<double>(seen.same);
  same.unit = "of " + std::to_string(seen.tokens);
  same.held = seen.same > 0;
  tell(same);
  tell_held("generation", name + ": drawn on the device as on the host", same_tokens(drawn, got));
}

struct llama_bench {
  paged_engine& subject;
  llama_size size;
  double read;
  double products;
  bool real;
};

/// Seconds until every sequence has its first token, and from there to the end.
std::pair<double, double> time_run(paged_engine& subject, std::uint32_t batch, std::uint32_t prompt,
                                   std::uint32_t tokens) {
  for (std::uint32_t number = 0; number < batch; ++number)
    if (!subject.submit(request_number(number, prompt, tokens, subject.vocabulary_size())))
      throw std::runtime_error("a request was refused");
  auto const start = steady::now();
  auto first = 0.0;
  std::size_t arrived = 0;
  while (subject.has_work()) {
    for (auto const& event : subject.step()) {
      if (event.finish == finish_reason::failed) throw std::runtime_error("a sequence failed");
      ++arrived;
    }
    if (first == 0.0 && arrived >= batch) first = since(start);
  }
  return {first, since(start) - first};
}

void measure_decode(llama_bench const& on, std::uint32_t batch, char const* how) {
  std::uint32_t const prompt = on.real ? 32 : 4;
  std::uint32_t const steps = on.real ? 64 : 3;
  double best = HUGE_VAL;
  for (int round = 0; round < (on.real ? 3 : 1); ++round)
    best = std::min(best, time_run(on.subject, batch, prompt, steps + 1).second);
  auto const what = "8B decode, batch " + std::to_string(batch) + ", " + how;
  if (!on.real) return tell_held("generation", what + " runs", true);
  finding found{"generation", what, batch * steps / best, "tokens/s", {}, {}, {}, false, {}};
  found.share = static_cast<double>(on.size.step_bytes) * steps / best / on.read;
  found.of = "read";
  if (batch == 1 && std::strcmp(how, "replayed") == 0) found.goal = 0.8;
  tell(found);
}

void measure_prefill(llama_bench const& on, llama_shape const& shape) {
  std::uint32_t const tokens = on.real ? 2048 : 40;
  time_run(on.subject, 1, tokens, 1); // libraries choose their algorithms
  double best = HUGE_VAL;
  for (int round = 0; round < (on.real ? 3 : 1); ++round)
    best = std::min(best, time_run(on.subject, 1, tokens, 1).first);
  if (!on.real) return tell_held("generation", "8B prefill runs", true);
  auto const table = std::uint64_t{shape.vocabulary} * shape.width;
  auto const products = 2.0 * static_cast<double>(on.size.weights - 2 * table) * tokens;
  auto const attention = 2.0 * shape.layers * shape.width * static_cast<double>(tokens) * tokens;
  finding found{"generation", "8B prefill of 2048 tokens", tokens / best, "tokens/s", {}, {}, 0.6, false, {}};
  found.share = (products + attention) / best / on.products;
  found.of = "matrix peak";
  tell(found);
}

/// Recordings of an earlier setting are forgotten where memory comes or goes.
void forget_recordings(backend& device) { device.release(device.allocate(64), 64); }

/// What the peer, which reads the same file, is to find likely, too.
void write_answer(paged_engine& subject, std::filesystem::path const& file) {
  auto const vocabulary = subject.vocabulary_size();
  auto asked = request_number(0, 32, 8, vocabulary);
  asked.sampling.logprobs = true;
  std::vector<token_id> const prompt(asked.prompt.reveal().begin(), asked.prompt.reveal().end());
  std::vector<sequence_request> requests;
  requests.push_back(std::move(asked));
  auto const answer = generate(subject, std::move(requests)).front();
  std::ofstream out(file);
  out.precision(9);
  auto const list = [&](char const* name, auto const& numbers, char const* end) {
    out << '"' << name << "\": [";
    for (std::size_t i = 0; i < numbers.size(); ++i) out << (i == 0 ? "" : ", ") << numbers[i];
    out << ']' << end;
  };
  out << '{';
  list("prompt", prompt, ", ");
  list("tokens", answer.tokens, ", ");
  list("logprobs", answer.logprobs, "}");
  out.close();
  if (out.fail()) throw std::runtime_error("the model's answer cannot be written");
}

void run_llama(std::filesystem::path const& folder, double read, double products) {
  bool const real = is_real();
  auto const shape = real ? llama_shape{} : llama_shape{2, 256, 512, 4, 2, 512, 512};
  auto const file = folder / "llama-8b-shaped.gguf";
  auto start = steady::now();
  if (!write_llama(file, shape)) throw std::runtime_error("the model cannot be written");
  std::fprintf(stderr, "wrote the model in %.1f s\n", since(start));
  machine_faults faults;
  auto device = open_backend(faults);
  if (device == nullptr) throw std::runtime_error("no backend");
  auto* const held = device.get();
  start = steady::now();
  engine_size const size{real ? 2048U : 64U, 64, real ? 1024U : 128U, 4096};
  auto const subject = load_engine(file, std::move(device), size);
  std::fprintf(stderr, "loaded it in %.1f s\n", since(start));
  write_answer(*subject, folder / "llama-8b-shaped.json");
  llama_bench const on{*subject, size_of(shape), read, products, real};
  for (std::uint32_t const batch : {1U, 8U, 64U})
    measure_decode(on, batch, batch > 32 ? "computed" : "replayed");
  measure_prefill(on, shape);
  faults.records_nothing = true;
  forget_recordings(*held);
  for (std::uint32_t const batch : {1U, 8U}) measure_decode(on, batch, "computed");
}

} // namespace
} // namespace mayfly::gpu::check

int main(int count, char** arguments) try {
  using namespace mayfly::gpu::check;
  if (count >= 3 && std::strcmp(arguments[1], "compare") == 0) {
    for (int i = 2; i < count; ++i) compare_model(arguments[i]);
    return outcome();
  }
  if (count == 5 && std::strcmp(arguments[1], "llama") == 0) {
    run_llama(arguments[2], std::atof(arguments[3]), std::atof(arguments[4]));
    return outcome();
  }
  return std::fputs("usage: check_generation compare MODEL... | llama FOLDER READ PEAK\n", stderr), 2;
} catch (std::exception const& failure) {
  return std::fprintf(stderr, "check_generation: %s\n", failure.what()), 1;
}
