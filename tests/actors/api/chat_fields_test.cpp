#include "parsing.hpp"

using namespace mayfly;
using namespace mayfly::actors::api;
using mayfly::messages::chat_role;

namespace {
std::string with_messages(std::string const& messages) {
  return R"({"model":"tiny","messages":)" + messages + "}";
}
} // namespace

TEST_CASE("messages keep their order, roles, text and authors") {
  auto const made = accepted(
      endpoint::chat,
      with_messages(R"([{"role":"system","content":"S"},{"role":"developer","content":"D"},)"
                    R"({"role":"user","content":"U","name":"ann"},{"role":"assistant","content":""}])"));
  auto const& list = made.choices[0].messages;
  REQUIRE(list.size() == 4);
  CHECK(list[0].role == chat_role::system);
  CHECK(list[1].role == chat_role::developer);
  CHECK(list[2].role == chat_role::user);
  CHECK(list[2].author.reveal() == "ann");
  CHECK(list[3].role == chat_role::assistant);
  CHECK(list[3].content.empty());
  CHECK(made.choices[0].kind == messages::prompt_kind::chat);
  CHECK(made.choices[0].parameters.max_tokens == 0);
}

TEST_CASE("an array of text parts is one text") {
  auto const made = accepted(endpoint::chat,
                             with_messages(R"([{"role":"user","content":[{"type":"text","text":"a\u0000é"},)"
                                           R"({"type":"text","text":"b"}]}])"));
  CHECK(made.choices[0].messages[0].content.reveal() == std::string_view("a\0\xC3\xA9"
                                                                         "b",
                                                                         5));
}

TEST_CASE("an answer of this API can be sent back as it came") {
  CHECK(accepted(endpoint::chat, with_messages(R"([{"role":"user","content":"a"},{"role":"assistant",)"
                                               R"("content":"b","refusal":null,"tool_calls":[],)"
                                               R"("annotations":[],"audio":null,"function_call":null}])"))
            .choices[0]
            .messages.size() == 2);
}

TEST_CASE("messages that cannot be done are refused at their place") {
  struct attempt {
    char const* messages;
    char const* reason;
    char const* param;
  };
  auto const row =
      GENERATE(attempt{"[]", "invalid_value", "messages"}, attempt{"{}", "invalid_type", "messages"},
               attempt{"[5]", "invalid_type", "messages[0]"},
               attempt{R"([{"content":"x"}])", "missing_required_parameter", "messages[0].role"},
               attempt{R"([{"role":"user"}])", "missing_required_parameter", "messages[0].content"},
               attempt{R"([{"role":5,"content":"x"}])", "invalid_type", "messages[0].role"},
               attempt{R"([{"role":"king","content":"x"}])", "invalid_value", "messages[0].role"},
               attempt{R"([{"role":"tool","content":"x","tool_call_id":"1"}])", "unsupported_value",
                       "messages[0].role"},
               attempt{R"([{"role":"user","content":null}])", "invalid_type", "messages[0].content"},
               attempt{R"([{"role":"user","content":[]}])", "invalid_value", "messages[0].content"},
               attempt{R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])",
                       "unsupported_value", "messages[0].content[0].type"},
               attempt{R"([{"role":"user","content":[{"type":"text"}]}])", "invalid_type",
                       "messages[0].content[0].text"},
               attempt{R"([{"role":"user","content":[{"type":"text","text":"x","x":1}]}])",
                       "unknown_parameter", "messages[0].content[0]"},
               attempt{R"([{"role":"user","content":"x"},{"role":"user","content":"x","z":1}])",
                       "unknown_parameter", "messages[1]"},
               attempt{R"([{"role":"assistant","content":"x","tool_calls":[{}]}])", "unsupported_value",
                       "messages[0].tool_calls"},
               attempt{R"([{"role":"user","content":"x","name":""}])", "invalid_value", "messages[0].name"},
               attempt{R"([{"role":"user","content":"x","name":5}])", "invalid_type", "messages[0].name"});
  CAPTURE(row.messages);
  CHECK(refused(endpoint::chat, with_messages(row.messages)) == plain_refusal{400, row.reason, row.param});
}

TEST_CASE("a chat needs messages") {
  CHECK(refused(endpoint::chat, R"({"model":"tiny"})") ==
        plain_refusal{400, "missing_required_parameter", "messages"});
}

TEST_CASE("max_completion_tokens counts before max_tokens, in either order") {
  CHECK(accepted_chat(R"(,"max_completion_tokens":5,"max_tokens":9)").choices[0].parameters.max_tokens == 5);
  CHECK(accepted_chat(R"(,"max_tokens":9,"max_completion_tokens":5)").choices[0].parameters.max_tokens == 5);
}

TEST_CASE("chat log probabilities are a flag and a number") {
  auto const made = accepted_chat(R"(,"logprobs":true,"top_logprobs":20)");
  CHECK(made.choices[0].parameters.logprobs);
  CHECK(made.choices[0].parameters.top_logprobs == 20);
  CHECK(refused_chat(R"(,"logprobs":2)") == plain_refusal{400, "invalid_type", "logprobs"});
  CHECK(refused_chat(R"(,"logprobs":true,"top_logprobs":21)") ==
        plain_refusal{400, "invalid_value", "top_logprobs"});
  CHECK(refused_chat(R"(,"top_logprobs":2)") == plain_refusal{400, "invalid_value", "top_logprobs"});
}

TEST_CASE("what needs tools, formats or other media is refused by name") {
  struct attempt {
    char const* field;
    char const* value;
    char const* reason;
    char const* param;
  };
  auto const row = GENERATE(
      attempt{"tools", R"([{"type":"function"}])", "unsupported_parameter", "tools"},
      attempt{"functions", "[{}]", "unsupported_parameter", "functions"},
      attempt{"tool_choice", "\"required\"", "unsupported_parameter", "tool_choice"},
      attempt{"function_call", "{}", "unsupported_parameter", "function_call"},
      attempt{"response_format", R"({"type":"json_object"})", "unsupported_value", "response_format.type"},
      attempt{"response_format", R"({"type":"text","x":1})", "unknown_parameter", "response_format"},
      attempt{"response_format", "\"text\"", "invalid_type", "response_format"},
      attempt{"modalities", R"(["audio"])", "unsupported_value", "modalities"},
      attempt{"audio", "{}", "unsupported_parameter", "audio"},
      attempt{"prediction", "{}", "unsupported_parameter", "prediction"},
      attempt{"reasoning_effort", "\"low\"", "unsupported_parameter", "reasoning_effort"},
      attempt{"parallel_tool_calls", "1", "invalid_type", "parallel_tool_calls"});
  CAPTURE(row.field);
  CHECK(refused_chat(std::string(",\"") + row.field + "\":" + row.value) ==
        plain_refusal{400, row.reason, row.param});
}
