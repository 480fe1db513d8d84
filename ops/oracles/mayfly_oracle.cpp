// Mayfly's side of ops/oracle. Subcommands: tokenize MODEL plain|special, detokenize MODEL, logits MODEL,
// render. Questions and answers are frames on standard input and output (frames.hpp).
#include "ops/oracles/answers.hpp"

#include <cstdio>
#include <span>
#include <string_view>

namespace {

using namespace mayfly;

constexpr std::string_view usage =
    "mayfly_oracle tokenize MODEL.gguf plain|special | detokenize MODEL.gguf | logits MODEL.gguf | render\n";

result<void> answer(std::span<char const* const> arguments) {
  auto const count = arguments.size();
  std::string_view const command = count > 1 ? arguments[1] : "";
  std::string_view const mode = count > 3 ? arguments[3] : "";
  if (command == "tokenize" && count == 4 && (mode == "plain" || mode == "special"))
    return oracle::answer_tokenize(arguments[2], mode == "special" ? oracle::special_tokens::match_everywhere
                                                                   : oracle::special_tokens::stay_text);
  if (command == "detokenize" && count == 3) return oracle::answer_detokenize(arguments[2]);
  if (command == "logits" && count == 3) return oracle::answer_logits(arguments[2]);
  if (command == "render" && count == 2) return oracle::answer_render();
  return error{errc::invalid_request, "see the usage", 0};
}

} // namespace

int main(int count, char** arguments) {
  auto const done = answer({arguments, static_cast<std::size_t>(count)});
  if (done) return 0;
  auto const& failure = done.failure();
  auto const name = name_of(failure.code);
  auto const what = failure.what.view();
  std::fprintf(stderr, "mayfly_oracle: %.*s: %.*s (%lld)\n", static_cast<int>(name.size()), name.data(),
               static_cast<int>(what.size()), what.data(), static_cast<long long>(failure.number));
  if (failure.code != errc::invalid_request) return 1;
  std::fwrite(usage.data(), 1, usage.size(), stderr);
  return 2;
}
