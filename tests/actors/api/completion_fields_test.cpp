#include "parsing.hpp"

using namespace mayfly;
using namespace mayfly::actors::api;
using mayfly::messages::prompt_kind;

namespace {
std::string with_prompt(std::string const& prompt, std::string const& more = "") {
  return R"({"model":"tiny","prompt":)" + prompt + more + "}";
}
} // namespace

TEST_CASE("a prompt is a string") {
  auto const made = accepted_completion("");
  CHECK(made.choices[0].kind == prompt_kind::text);
  CHECK(made.choices[0].prompt.reveal() == "Hi");
  CHECK(made.choices[0].parameters.max_tokens == 16);
}

TEST_CASE("a prompt may be an array of token ids") {
  auto const made = accepted(endpoint::completion, with_prompt("[1,2,3]"));
  REQUIRE(made.choices.size() == 1);
  CHECK(made.choices[0].kind == prompt_kind::tokens);
  CHECK(made.choices[0].prompt_tokens.size() == 3);
  CHECK(made.choices[0].prompt_tokens.reveal()[2] == 3);
}

TEST_CASE("several prompts with n choices each are numbered prompt by prompt") {
  auto const made = accepted(endpoint::completion, with_prompt(R"(["a",[5]])", R"(,"n":2)"));
  REQUIRE(made.choices.size() == 4);
  CHECK(made.shape.choices == 4);
  CHECK(made.shape.choices_per_prompt == 2);
  CHECK(made.choices[1].prompt.reveal() == "a");
  CHECK(made.choices[2].kind == prompt_kind::tokens);
  CHECK(made.choices[3].choice == 3);
}

TEST_CASE("prompts that cannot be done are refused") {
  struct attempt {
    char const* prompt;
    char const* more;
    char const* reason;
    char const* param;
  };
  auto const row = GENERATE(
      attempt{"[]", "", "invalid_value", "prompt"}, attempt{"5", "", "invalid_type", "prompt"},
      attempt{"[[]]", "", "invalid_value", "prompt[0]"}, attempt{"[1,-1]", "", "invalid_value", "prompt"},
      attempt{"[1,2147483648]", "", "invalid_value", "prompt"},
      attempt{"[1,\"a\"]", "", "invalid_type", "prompt"},
      attempt{"[\"a\",5]", "", "invalid_type", "prompt[1]"},
      attempt{"[\"a\",\"b\"]", ",\"n\":9", "invalid_value", "n"},
      attempt{R"(["","","","","","","","","","","","","","","","",""])", "", "invalid_value", "prompt"});
  CAPTURE(row.prompt);
  CHECK(refused(endpoint::completion, with_prompt(row.prompt, row.more)) ==
        plain_refusal{400, row.reason, row.param});
}

TEST_CASE("a completion needs a prompt") {
  CHECK(refused(endpoint::completion, R"({"model":"tiny"})") ==
        plain_refusal{400, "missing_required_parameter", "prompt"});
}

TEST_CASE("completions' log probabilities are a number, zero included") {
  auto const made = accepted_completion(R"(,"logprobs":0)");
  CHECK(made.shape.logprobs);
  CHECK(made.choices[0].parameters.logprobs);
  CHECK(made.choices[0].parameters.top_logprobs == 0);
  CHECK(refused_completion(R"(,"logprobs":6)") == plain_refusal{400, "invalid_value", "logprobs"});
  CHECK(refused_completion(R"(,"logprobs":true)") == plain_refusal{400, "invalid_type", "logprobs"});
}

TEST_CASE("echo is asked of the worker, but not with log probabilities") {
  CHECK(accepted_completion(R"(,"echo":true)").choices[0].echo);
  CHECK(refused_completion(R"(,"echo":true,"logprobs":1)") ==
        plain_refusal{400, "unsupported_value", "logprobs"});
}

TEST_CASE("best_of beyond one and suffixes are refused by name") {
  CHECK(accepted_completion(R"(,"best_of":1,"suffix":"")").choices.size() == 1);
  CHECK(refused_completion(R"(,"best_of":2)") == plain_refusal{400, "unsupported_value", "best_of"});
  CHECK(refused_completion(R"(,"suffix":"end")") == plain_refusal{400, "unsupported_parameter", "suffix"});
}

TEST_CASE("a long prompt of token ids fits the memory that parsing may take") {
  // Each element of two characters costs the tree 24 bytes, and the parser's stack as many.
  std::string prompt = "[";
  for (int index = 0; index < 200000; ++index) prompt += "1,";
  auto const made = accepted(endpoint::completion, with_prompt(prompt + "1]"));
  CHECK(made.estimated_prompt_tokens == 200001);
}
