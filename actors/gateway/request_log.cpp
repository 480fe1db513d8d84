#include "actors/gateway/request_log.hpp"

#include "actors/api/json_writer.hpp"
#include "actors/gateway/log_output.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace mayfly::actors {
namespace {

class threaded_log final : public request_log {
public:
  explicit threaded_log(request_log_options options)
      : options_(std::move(options)),
        output_(options_.path, options_.descriptor, options_.roll_bytes, options_.kept_files) {}
  ~threaded_log() override {
    {
      std::scoped_lock guard(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (writer_.joinable()) writer_.join();
  }

  result<void> start() {
    auto opened = output_.open();
    if (!opened) return opened;
    writer_ = std::thread([this] { run(); });
    return {};
  }

  void append(request_record record) override {
    {
      std::scoped_lock guard(mutex_);
      if (queue_.size() >= options_.queued_records) return lose(1);
      queue_.push_back(std::move(record));
    }
    changed_.notify_all();
  }

  void flush() override {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [this] { return queue_.empty() && !writing_; });
  }

  std::uint64_t dropped() const noexcept override {
    std::scoped_lock guard(mutex_);
    return dropped_;
  }

private:
  void run() {
    std::unique_lock guard(mutex_);
    for (;;) {
      changed_.wait(guard, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      std::vector<request_record> batch;
      batch.swap(queue_);
      writing_ = true;
      guard.unlock();
      bool const written = write(batch);
      guard.lock();
      writing_ = false;
      if (!written) lose(batch.size());
      changed_.notify_all();
    }
  }

  /// With the lock held.
  void lose(std::size_t records) {
    dropped_ += records;
    if (options_.on_loss) options_.on_loss(dropped_);
  }

  bool write(std::vector<request_record> const& batch) {
    ephemeral_text lines;
    for (auto const& record : batch) {
      write_record(lines, record, options_.prices);
      lines.push_back('\n');
    }
    return output_.write(lines.reveal());
  }

  request_log_options options_;
  log_output output_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<request_record> queue_;
  std::uint64_t dropped_ = 0;
  bool writing_ = false;
  bool stopping_ = false;
  std::thread writer_;
};

void write_generation(api::json_writer& json, request_record const& record) {
  auto const& sampling = record.parameters;
  json.raw(R"(,"stream":)").boolean(record.stream).raw(R"(,"n":)").number(record.choices);
  json.raw(R"(,"temperature":)").number(sampling.temperature).raw(R"(,"top_p":)").number(sampling.top_p);
  json.raw(R"(,"top_k":)").number(sampling.top_k).raw(R"(,"min_p":)").number(sampling.min_p);
  json.raw(R"(,"repetition_penalty":)").number(sampling.repetition_penalty);
  json.raw(R"(,"frequency_penalty":)").number(sampling.frequency_penalty);
  json.raw(R"(,"presence_penalty":)").number(sampling.presence_penalty).raw(R"(,"seed":)");
  if (sampling.seed)
    json.number(*sampling.seed);
  else
    json.raw("null");
  json.raw(R"(,"max_tokens":)").number(sampling.max_tokens);
  json.raw(R"(,"logprobs":)").boolean(sampling.logprobs);
  json.raw(R"(,"top_logprobs":)").number(sampling.top_logprobs);
  json.raw(R"(,"ignore_eos":)").boolean(sampling.ignore_eos);
}

double milliseconds(std::chrono::microseconds time) noexcept {
  return static_cast<double>(time.count()) / 1000.0;
}

} // namespace

result<std::unique_ptr<request_log>> request_log::open(request_log_options options) {
  auto made = std::make_unique<threaded_log>(std::move(options));
  auto started = made->start();
  if (!started) return started.failure();
  return std::unique_ptr<request_log>(std::move(made));
}

double cost_of(request_record const& record, std::vector<token_price> const& prices) noexcept {
  for (auto const& price : prices)
    if (price.model == record.model)
      return (static_cast<double>(record.prompt_tokens) * price.per_million_prompt +
              static_cast<double>(record.completion_tokens) * price.per_million_completion) /
             1e6;
  return 0;
}

void write_record(ephemeral_text& out, request_record const& record, std::vector<token_price> const& prices) {
  api::json_writer json(out);
  json.raw(R"({"time_unix_ms":)").number(record.at_unix_ms);
  json.raw(R"(,"request":)").string(record.request.text()).raw(R"(,"account":)");
  if (record.account)
    json.string(record.account.text());
  else
    json.raw("null");
  json.raw(R"(,"model":)").string(record.model.empty() ? "-" : record.model.view());
  if (record.generates) write_generation(json, record);
  json.raw(R"(,"prompt_tokens":)").number(record.prompt_tokens);
  json.raw(R"(,"completion_tokens":)").number(record.completion_tokens);
  json.raw(R"(,"cost":)").number(cost_of(record, prices));
  json.raw(R"(,"status":)").number(std::uint32_t{record.status});
  json.raw(R"(,"code":)").string(name_of(record.code));
  json.raw(R"(,"latency_ms":)").number(milliseconds(record.latency)).raw(R"(,"first_token_ms":)");
  if (record.first_token.count() == 0)
    json.raw("null");
  else
    json.number(milliseconds(record.first_token));
  json.raw("}");
}

} // namespace mayfly::actors
