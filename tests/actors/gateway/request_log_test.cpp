#include "actors/gateway/request_log.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::actors;

namespace {

struct log_folder {
  log_folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "request-log-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~log_folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

std::string text_of(std::filesystem::path const& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

request_log_options to_file(std::filesystem::path path) {
  request_log_options options;
  options.path = std::move(path);
  return options;
}

request_record sample() {
  request_record record;
  record.at_unix_ms = 1700000000123;
  record.request = {{1}, 2};
  record.account = {3};
  record.model = *name::parse("tiny");
  record.prompt_tokens = 1000;
  record.completion_tokens = 500;
  record.status = 200;
  record.latency = std::chrono::microseconds(1500);
  return record;
}

} // namespace

TEST_CASE("a record is one line of JSON with its cost") {
  ephemeral_text out;
  write_record(out, sample(), {{*name::parse("tiny"), 2.0, 4.0}});
  CHECK(out.reveal() ==
        R"({"time_unix_ms":1700000000123,"request":"00000000000000010000000000000002",)"
        R"("account":"0000000000000003","model":"tiny",)"
        R"("prompt_tokens":1000,"completion_tokens":500,"cost":0.004,"status":200,"code":"ok",)"
        R"("latency_ms":1.5,"first_token_ms":null})");
}

TEST_CASE("a generation's record has its numeric parameters") {
  auto record = sample();
  record.generates = true;
  record.parameters.seed = 7;
  record.choices = 2;
  ephemeral_text out;
  write_record(out, record, {});
  CHECK(out.reveal().find(R"("stream":false,"n":2,"temperature":1,"top_p":1,"top_k":0,"min_p":0,)"
                          R"("repetition_penalty":1,"frequency_penalty":0,"presence_penalty":0,"seed":7,)"
                          R"("max_tokens":0)") != std::string_view::npos);
}

TEST_CASE("records reach the file, which only its owner can read") {
  log_folder folder;
  auto const path = folder.path / "requests.jsonl";
  auto log = *request_log::open(to_file(path));
  for (int index = 0; index < 100; ++index) log->append(sample());
  log->flush();
  auto const text = text_of(path);
  CHECK(std::count(text.begin(), text.end(), '\n') == 100);
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("a full file rolls, and the oldest goes") {
  log_folder folder;
  auto const path = folder.path / "requests.jsonl";
  auto options = to_file(path);
  options.roll_bytes = 10;
  options.kept_files = 2;
  auto log = *request_log::open(options);
  for (std::uint64_t turn = 1; turn <= 4; ++turn) {
    auto record = sample();
    record.prompt_tokens = turn * 1111;
    log->append(record);
    log->flush();
  }
  CHECK(text_of(path).find("4444") != std::string::npos);
  CHECK(text_of(folder.path / "requests.jsonl.1").find("3333") != std::string::npos);
  CHECK(text_of(folder.path / "requests.jsonl.2").find("2222") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.path / "requests.jsonl.3"));
}

TEST_CASE("two processes' logs share a file that rolls, and no line is lost") {
  log_folder folder;
  auto const path = folder.path / "requests.jsonl";
  auto options = to_file(path);
  options.roll_bytes = 20000;
  options.kept_files = 50;
  constexpr std::uint64_t records = 600;
  auto const fill = [&] {
    auto log = *request_log::open(options);
    for (std::uint64_t turn = 0; turn < records; ++turn) {
      log->append(sample());
      if (turn % 3 == 0) log->flush();
    }
    log->flush();
    CHECK(log->dropped() == 0);
  };
  std::thread other(fill);
  fill();
  other.join();
  std::uint64_t lines = 0;
  for (auto const& file : std::filesystem::directory_iterator(folder.path)) {
    auto const text = text_of(file.path());
    lines += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  }
  CHECK(lines == 2 * records);
  CHECK(std::filesystem::exists(folder.path / "requests.jsonl.2"));
}

TEST_CASE("a file that is moved away is left to who moved it") {
  log_folder folder;
  auto const path = folder.path / "requests.jsonl";
  auto log = *request_log::open(to_file(path));
  log->append(sample());
  log->flush();
  std::filesystem::rename(path, folder.path / "kept");
  log->append(sample());
  log->flush();
  CHECK(text_of(path) == text_of(folder.path / "kept"));
}

TEST_CASE("a log that cannot be opened says so") {
  CHECK_FALSE(request_log::open(to_file("/nowhere/at/all")).has_value());
}

TEST_CASE("what a dead descriptor does not take is counted") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[1]);
  request_log_options options;
  options.descriptor = ends[0]; // the reading end: writes fail
  std::atomic<std::uint64_t> told = 0;
  options.on_loss = [&](std::uint64_t lost) { told = lost; };
  auto log = *request_log::open(options);
  log->append(sample());
  log->flush();
  CHECK(log->dropped() == 1);
  CHECK(told == 1);
  log.reset();
  ::close(ends[0]);
}
