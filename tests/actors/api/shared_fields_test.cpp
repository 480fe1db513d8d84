#include "parsing.hpp"

using namespace mayfly;
using namespace mayfly::actors::api;

TEST_CASE("every sampling field reaches the request") {
  auto const made = accepted_chat(
      R"(,"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.1,)"
      R"("frequency_penalty":-1,"presence_penalty":2,"seed":9,"ignore_eos":true,"max_tokens":12)");
  auto const& sampling = made.choices.at(0).parameters;
  CHECK(sampling.temperature == 0.5F);
  CHECK(sampling.top_p == 0.9F);
  CHECK(sampling.top_k == 40);
  CHECK(sampling.min_p == 0.05F);
  CHECK(sampling.repetition_penalty == 1.1F);
  CHECK(sampling.frequency_penalty == -1.0F);
  CHECK(sampling.presence_penalty == 2.0F);
  CHECK(sampling.seed == 9U);
  CHECK(sampling.ignore_eos);
  CHECK(sampling.max_tokens == 12);
}

TEST_CASE("a null field is as good as an absent one") {
  auto const made = accepted_chat(R"(,"temperature":null,"stop":null,"n":null,"stream_options":null)");
  CHECK(made.choices.size() == 1);
  CHECK(made.choices[0].parameters.temperature == 1.0F);
}

TEST_CASE("numbers out of range, infinite or of the wrong type are refused by the field's name") {
  struct attempt {
    char const* field;
    char const* value;
    char const* reason;
  };
  auto const row = GENERATE(
      attempt{"temperature", "2.1", "invalid_value"}, attempt{"temperature", "-0.1", "invalid_value"},
      attempt{"temperature", "1e999", "invalid_value"}, attempt{"temperature", "\"1\"", "invalid_type"},
      attempt{"temperature", "true", "invalid_type"}, attempt{"top_p", "0", "invalid_value"},
      attempt{"top_p", "1.01", "invalid_value"}, attempt{"top_p", "1e-60", "invalid_value"},
      attempt{"top_k", "-2", "invalid_value"}, attempt{"top_k", "1.5", "invalid_type"},
      attempt{"min_p", "1.5", "invalid_value"}, attempt{"repetition_penalty", "0", "invalid_value"},
      attempt{"frequency_penalty", "2.5", "invalid_value"},
      attempt{"presence_penalty", "-2.5", "invalid_value"}, attempt{"presence_penalty", "[]", "invalid_type"},
      attempt{"seed", "1.5", "invalid_type"}, attempt{"seed", "9223372036854775808", "invalid_value"},
      attempt{"seed", "1e30", "invalid_value"}, attempt{"max_tokens", "0", "invalid_value"},
      attempt{"max_tokens", "-1", "invalid_value"}, attempt{"max_tokens", "2147483648", "invalid_value"},
      attempt{"max_tokens", "\"5\"", "invalid_type"}, attempt{"n", "0", "invalid_value"},
      attempt{"n", "17", "invalid_value"}, attempt{"n", "1e999", "invalid_value"},
      attempt{"stream", "1", "invalid_type"}, attempt{"ignore_eos", "\"yes\"", "invalid_type"},
      attempt{"user", "5", "invalid_type"}, attempt{"metadata", "{\"a\":1}", "invalid_type"},
      attempt{"store", "true", "unsupported_value"}, attempt{"service_tier", "\"flex\"", "unsupported_value"},
      attempt{"stream_options", "[]", "invalid_type"}, attempt{"stop", "{}", "invalid_type"},
      attempt{"stop", "\"\"", "invalid_value"}, attempt{"logit_bias", "[]", "invalid_type"},
      attempt{"logit_bias", "{\"x\":1}", "invalid_value"},
      attempt{"logit_bias", "{\"-1\":1}", "invalid_value"},
      attempt{"logit_bias", "{\"1\":101}", "invalid_value"},
      attempt{"logit_bias", "{\"1\":\"2\"}", "invalid_type"});
  auto const field = std::string(",\"") + row.field + "\":" + row.value;
  CAPTURE(field);
  CHECK(refused_chat(field) == plain_refusal{400, row.reason, row.field});
  CHECK(refused_completion(field) == plain_refusal{400, row.reason, row.field});
}

TEST_CASE("whole numbers may be written with a fraction of zero") {
  CHECK(accepted_chat(R"(,"max_tokens":16.0)").choices[0].parameters.max_tokens == 16);
}

TEST_CASE("each choice gets a seed of its own, counted on from the request's") {
  auto const made = accepted_chat(R"(,"n":3,"seed":-1)");
  REQUIRE(made.choices.size() == 3);
  CHECK(made.choices[0].parameters.seed == UINT64_MAX);
  CHECK(made.choices[1].parameters.seed == 0U);
  CHECK(made.choices[2].parameters.seed == 1U);
  CHECK(made.choices[2].choice == 2);
}

TEST_CASE("without a seed no choice has one") {
  CHECK_FALSE(accepted_chat(R"(,"n":2)").choices[1].parameters.seed.has_value());
}

TEST_CASE("stop is a string or up to four") {
  CHECK(accepted_chat(R"(,"stop":"x")").choices[0].stop.size() == 1);
  auto const four = accepted_chat(R"(,"stop":["a","b","c","\n\n"])");
  REQUIRE(four.choices[0].stop.size() == 4);
  CHECK(four.choices[0].stop[3].reveal() == "\n\n");
  CHECK(refused_chat(R"(,"stop":["a","b","c","d","e"])") == plain_refusal{400, "invalid_value", "stop"});
  CHECK(refused_chat(R"(,"stop":["a",5])") == plain_refusal{400, "invalid_type", "stop[1]"});
}

TEST_CASE("logit_bias becomes token ids and numbers") {
  auto const made = accepted_chat(R"(,"logit_bias":{"50":-100,"7":2.5})");
  auto const entries = made.choices[0].bias.reveal();
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].token == 50);
  CHECK(entries[1].bias == 2.5F);
}

TEST_CASE("stream options are for streams") {
  auto const made = accepted_chat(R"(,"stream":true,"stream_options":{"include_usage":true})");
  CHECK(made.shape.stream);
  CHECK(made.shape.include_usage);
  CHECK(refused_chat(R"(,"stream_options":{"include_usage":true})") ==
        plain_refusal{400, "invalid_value", "stream_options"});
  CHECK(refused_chat(R"(,"stream":true,"stream_options":{"other":1})") ==
        plain_refusal{400, "unknown_parameter", "stream_options"});
  CHECK(refused_chat(R"(,"stream":true,"stream_options":{"include_obfuscation":true})") ==
        plain_refusal{400, "unsupported_value", "stream_options.include_obfuscation"});
}

TEST_CASE("fields that ask nothing are accepted") {
  CHECK(accepted_chat(
            R"(,"user":"u","metadata":{"k":"v"},"store":false,"service_tier":"auto",)"
            R"("safety_identifier":"s","prompt_cache_key":"p","parallel_tool_calls":true,)"
            R"("tools":[],"functions":[],"tool_choice":"none","function_call":"auto",)"
            R"("prediction":null,"audio":null,"modalities":["text"],"response_format":{"type":"text"})")
            .choices.size() == 1);
}

TEST_CASE("an unknown field is refused by its name, even as null") {
  CHECK(refused_chat(R"(,"colour":"red")") == plain_refusal{400, "unknown_parameter", "colour"});
  CHECK(refused_chat(R"(,"colour":null)") == plain_refusal{400, "unknown_parameter", "colour"});
  CHECK(refused_completion(R"(,"messages":[])") == plain_refusal{400, "unknown_parameter", "messages"});
  CHECK(refused_chat(R"(,"prompt":"x")") == plain_refusal{400, "unknown_parameter", "prompt"});
}

TEST_CASE("a long unknown name is cut at a whole character") {
  std::string const longer = std::string(63, 'a') + "\xC3\xA9\xC3\xA9";
  CHECK(refused_chat(",\"" + longer + "\":1").param == std::string(63, 'a'));
}

TEST_CASE("a model is found by its name or alias, and travels by the catalogue's id") {
  auto const made = accepted(endpoint::completion, R"({"model":"small","prompt":"x"})");
  CHECK(made.choices[0].model.view() == "tiny");
  CHECK(made.shape.model.view() == "small");
  CHECK(refused(endpoint::completion, R"({"model":"gpt-4","prompt":"x"})") ==
        plain_refusal{404, "model_not_found", "model"});
  CHECK(refused(endpoint::completion, R"({"model":5,"prompt":"x"})") ==
        plain_refusal{400, "invalid_type", "model"});
  CHECK(refused(endpoint::completion, R"({"prompt":"x"})") ==
        plain_refusal{400, "missing_required_parameter", "model"});
}

TEST_CASE("what is no JSON object in UTF-8 is refused as invalid JSON") {
  std::string const deep(40, '[');
  auto const body = GENERATE_COPY(values<std::string>(
      {"", "nonsense", "{", "[]", "5", R"({"model":"tiny"} x)", R"({"model":NaN})", R"({"model":"tiny",})",
       std::string("{\"model\":\"\xFF\"}"), R"({"model":"\ud800"})", R"({"model":'tiny'})",
       "{\"a\":" + deep + std::string(40, ']') + "}", std::string("{\"a\":\"\x01\"}")}));
  CAPTURE(body);
  CHECK(refused(endpoint::chat, body) == plain_refusal{400, "invalid_json", ""});
}

TEST_CASE("of a field that stands twice the last counts") {
  CHECK(accepted_chat(R"(,"max_tokens":1,"max_tokens":2)").choices[0].parameters.max_tokens == 2);
}

TEST_CASE("what goes beyond a limit is told the limit") {
  auto const said = [](std::string const& field) {
    auto const parsed = parse(endpoint::chat, chat(field));
    auto const* why = std::get_if<refusal>(&parsed);
    return why == nullptr ? std::string() : std::string(why->message.reveal());
  };
  CHECK(said(R"(,"n":17)") == "'n' is at most 16.");
  CHECK(said(R"(,"stop":["a","b","c","d","e"])") == "'stop' holds at most 4 strings.");
}
