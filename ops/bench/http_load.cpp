// Load for an OpenAI-compatible server, ours or a peer's: N keep-alive connections with one thread each,
// every one sending its M chat requests back to back. Without --stream it measures whole round trips; with
// it, the time to the first event that carries text, and the gaps between those events. Prints one JSON
// object; the API key comes from the environment (MAYFLY_API_KEY), so that no process list shows it.
#include "ops/bench/http_connection.hpp"

#include <algorithm>
#include <barrier>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace {

using namespace mayfly::bench;

struct load_options {
  endpoint to;
  std::string model;
  std::string extra; ///< more JSON fields of the request: `"a": 1, "b": 2`
  std::uint32_t connections = 1;
  std::uint32_t requests = 100; ///< of each connection
  std::uint32_t warm_up = 1;    ///< of each connection before those, not counted
  std::uint32_t tokens = 1;     ///< generated, exactly
  std::uint32_t words = 1;      ///< of the user's message
  bool stream = false;
};

/// What one connection saw; times in microseconds.
struct sample {
  std::vector<double> latencies; ///< request sent to answer whole
  std::vector<double> first;     ///< request sent to first text
  std::vector<double> gaps;      ///< between texts
  std::size_t texts = 0;
  std::size_t failures = 0;
  int failed_status = 0;
  long prompt_tokens = 0;
  steady::time_point began;
  steady::time_point ended;
};

constexpr char const* usage =
    "usage: MAYFLY_API_KEY=... bench_http --host ADDRESS --port PORT --model NAME [--connections N] "
    "[--requests M]\n"
    "                    [--warm-up W] [--tokens T] [--words P] [--stream 0|1] [--extra JSON-FIELDS]\n";

bool read_number(load_options& options, std::string_view name, std::uint32_t value) {
  if (name == "--connections")
    options.connections = value;
  else if (name == "--requests")
    options.requests = value;
  else if (name == "--warm-up")
    options.warm_up = value;
  else if (name == "--tokens")
    options.tokens = value;
  else if (name == "--words")
    options.words = value;
  else if (name == "--stream")
    options.stream = value != 0;
  else if (name == "--port")
    options.to.port = static_cast<std::uint16_t>(value);
  else
    return false;
  return true;
}

bool read_options(int count, char** arguments, load_options& options) {
  for (int index = 1; index + 1 < count; index += 2) {
    std::string_view const name = arguments[index];
    std::string_view const value = arguments[index + 1];
    if (name == "--host") {
      options.to.host = value;
    } else if (name == "--model") {
      options.model = value;
    } else if (name == "--extra") {
      options.extra = value;
    } else {
      std::uint32_t number = 0;
      auto const [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
      bool const whole = failure == std::errc() && end == value.data() + value.size();
      if (!whole || !read_number(options, name, number)) return false;
    }
  }
  bool const positive = options.connections > 0 && options.requests > 0 && options.tokens > 0;
  return count % 2 == 1 && positive && !options.to.host.empty() && options.to.port != 0 &&
         !options.model.empty();
}

/// A message that no other request of the run has, so that no server can answer from a prompt it has seen.
std::string message(load_options const& options, std::uint32_t client, std::uint32_t number) {
  static constexpr char const* words[] = {"river",  "stone",  "light",  "winter", "garden", "paper",
                                          "window", "street", "music",  "bread",  "horse",  "summer",
                                          "letter", "bridge", "forest", "water"};
  std::string text;
  std::uint64_t state = client * 7919ULL + number * 104729ULL + 12345;
  for (std::uint32_t index = 0; index < options.words; ++index) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    if (index != 0) text += ' ';
    text += words[state >> 60U];
  }
  return text;
}

std::string request(load_options const& options, std::uint32_t client, std::uint32_t number) {
  std::string body = R"({"model":")" + options.model + R"(","messages":[{"role":"user","content":")" +
                     message(options, client, number) +
                     R"("}],"temperature":0,"ignore_eos":true,"max_tokens":)" +
                     std::to_string(options.tokens);
  if (options.stream) body += R"(,"stream":true,"stream_options":{"include_usage":true})";
  if (!options.extra.empty()) body += "," + options.extra;
  body += "}";
  char const* const key = std::getenv("MAYFLY_API_KEY");
  return "POST /v1/chat/completions HTTP/1.1\r\nhost: " + options.to.host +
         "\r\ncontent-type: application/json\r\nauthorization: Bearer " + (key == nullptr ? "none" : key) +
         "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

double microseconds(steady::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

void count_in(sample& into, exchange const& made) {
  if (made.status != 200) {
    ++into.failures;
    into.failed_status = made.status;
    return;
  }
  into.latencies.push_back(microseconds(made.ended - made.sent));
  if (!made.texts.empty()) into.first.push_back(microseconds(made.texts.front() - made.sent));
  for (std::size_t index = 1; index < made.texts.size(); ++index)
    into.gaps.push_back(microseconds(made.texts[index] - made.texts[index - 1]));
  into.texts += made.texts.size();
  constexpr std::string_view counted = "\"prompt_tokens\":";
  auto const at = made.body.rfind(counted);
  if (at != std::string::npos)
    into.prompt_tokens = std::strtol(made.body.c_str() + at + counted.size(), nullptr, 10);
}

void run_client(load_options const& options, std::uint32_t client, std::barrier<>& start, sample& into) {
  connection link(options.to);
  bool usable = link.is_open();
  for (std::uint32_t number = 0; number < options.warm_up && usable; ++number)
    usable = link.perform(request(options, client, 1'000'000 + number)).status == 200;
  start.arrive_and_wait();
  into.began = steady::now();
  for (std::uint32_t number = 0; number < options.requests; ++number) {
    auto const made = link.perform(request(options, client, number));
    count_in(into, made);
    if (made.status == 0) {
      into.failures += options.requests - number - 1;
      break;
    }
  }
  into.ended = steady::now();
}

void print_times(char const* name, std::vector<double>& times) {
  if (times.empty()) return;
  std::sort(times.begin(), times.end());
  auto const at = [&](std::size_t percent) {
    return times[std::min(times.size() - 1, times.size() * percent / 100)];
  };
  double sum = 0;
  for (double const time : times) sum += time;
  std::printf(", \"%s\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"mean\": %.1f, \"max\": %.1f, "
              "\"count\": %zu}",
              name, at(50), at(90), at(99), sum / static_cast<double>(times.size()), times.back(),
              times.size());
}

void append(std::vector<double>& to, std::vector<double> const& from) {
  to.insert(to.end(), from.begin(), from.end());
}

int report(load_options const& options, std::vector<sample> const& samples) {
  auto all = samples.front();
  for (std::size_t index = 1; index < samples.size(); ++index) {
    auto const& one = samples[index];
    append(all.latencies, one.latencies);
    append(all.first, one.first);
    append(all.gaps, one.gaps);
    all.texts += one.texts;
    all.failures += one.failures;
    if (one.failed_status != 0) all.failed_status = one.failed_status;
    all.began = std::min(all.began, one.began);
    all.ended = std::max(all.ended, one.ended);
  }
  auto const seconds = microseconds(all.ended - all.began) / 1e6;
  auto const answers = static_cast<double>(all.latencies.size());
  std::printf(
      "{\"connections\": %u, \"requests\": %zu, \"failures\": %zu, \"failed_status\": %d, \"seconds\": %.3f, "
      "\"requests_per_second\": %.1f, \"tokens_per_second\": %.1f, \"prompt_tokens\": %ld, \"tokens\": %u, "
      "\"texts\": %zu",
      options.connections, all.latencies.size(), all.failures, all.failed_status, seconds, answers / seconds,
      answers * options.tokens / seconds, all.prompt_tokens, options.tokens, all.texts);
  print_times("latency_us", all.latencies);
  print_times("first_text_us", all.first);
  print_times("gap_us", all.gaps);
  std::printf("}\n");
  return all.failures == 0 ? 0 : 1;
}

} // namespace

int main(int count, char** arguments) {
  load_options options;
  if (!read_options(count, arguments, options)) return std::fputs(usage, stderr), 2;
  std::vector<sample> samples(options.connections);
  std::barrier<> start(options.connections);
  {
    std::vector<std::jthread> clients;
    for (std::uint32_t client = 0; client < options.connections; ++client)
      clients.emplace_back([&, client] { run_client(options, client, start, samples[client]); });
  }
  return report(options, samples);
}
