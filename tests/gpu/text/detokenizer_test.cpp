#include "gpu/text/detokenizer.hpp"
#include "tiny_model.hpp"

#include <catch2/catch.hpp>
#include <functional>

namespace mayfly::gpu {
namespace {

std::vector<ephemeral_text> make_stops(std::initializer_list<std::string_view> stops) {
  std::vector<ephemeral_text> made;
  for (auto const stop : stops) made.emplace_back(stop);
  return made;
}

struct streamed {
  std::string text;
  bool stopped = false;
};

/// Streams tokens; `check` sees what each step released.
streamed stream(std::span<token_id const> ids, std::initializer_list<std::string_view> stops,
                std::function<void(std::string_view)> const& check = {}) {
  auto const made = make_stops(stops);
  detokenizer stream_of(tiny_model().tokens, made);
  streamed all;
  auto const take = [&](ephemeral_text const& out) {
    if (check) check(out.reveal());
    all.text += out.reveal();
  };
  for (auto const id : ids) {
    ephemeral_text out;
    stream_of.take(id, out);
    take(out);
  }
  ephemeral_text out;
  stream_of.finish(out);
  take(out);
  all.stopped = stream_of.stopped();
  return all;
}

/// One token a byte: the finest split there is.
std::vector<token_id> byte_tokens(std::string_view text) {
  std::vector<token_id> ids;
  for (auto const byte : text) ids.push_back(tiny_model().tokens->encode({&byte, 1}).reveal()[0]);
  return ids;
}

TEST_CASE("Streamed text is the whole text, and every part of it whole characters") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    auto const text = random_unicode(random, random() % 40);
    auto const whole_characters = [](std::string_view part) {
      CHECK(valid_utf8_prefix(part) == part.size());
    };
    CHECK(stream(byte_tokens(text), {}, whole_characters).text == text);
    auto const ids = tiny_model().tokens->encode(text);
    CHECK(stream(ids.reveal(), {}, whole_characters).text == decode_all(*tiny_model().tokens, ids.reveal()));
  }
}

TEST_CASE("Bytes that can never make a character become one replacement each, as a whole decode has it") {
  CHECK(stream(byte_tokens("a\xFFz"), {}).text == "a\uFFFDz");
  CHECK(stream(byte_tokens("\xE2\x82z"), {}).text == "\uFFFDz");
  CHECK(stream(byte_tokens("\xED\xA0\x80"), {}).text == "\uFFFD\uFFFD\uFFFD");
  CHECK(stream(byte_tokens("\xF0\x9F\x98\xE2\x82\xAC"), {}).text == "\uFFFD\u20AC");
}

TEST_CASE("A character cut off by the end becomes a replacement") {
  CHECK(stream(byte_tokens("ok\xF0\x9F\x98"), {}).text == "ok\uFFFD");
}

TEST_CASE("A character's first bytes are held until the rest has come") {
  auto const ids = byte_tokens("\u20AC");
  detokenizer stream_of(tiny_model().tokens, {});
  ephemeral_text out;
  stream_of.take(ids[0], out);
  stream_of.take(ids[1], out);
  CHECK(out.empty());
  stream_of.take(ids[2], out);
  CHECK(out.reveal() == "\u20AC");
}

TEST_CASE("Text ends where a stop string begins, wherever tokens split it") {
  std::string const text = "One two STOP three";
  auto const fine = stream(byte_tokens(text), {"STOP"});
  CHECK(fine.text == "One two ");
  CHECK(fine.stopped);
  auto const coarse = stream(tiny_model().tokens->encode(text).reveal(), {"STOP"});
  CHECK(coarse.text == fine.text);
  CHECK(coarse.stopped);
}

TEST_CASE("No byte of a stop string is ever released") {
  std::string released;
  stream(byte_tokens("abcabcabd!"), {"abcabd"}, [&](std::string_view part) {
    released += part;
    CHECK(std::string("abc").starts_with(released));
  });
  CHECK(released == "abc");
}

TEST_CASE("A beginning of a stop string that comes to nothing is released") {
  auto const all = stream(byte_tokens("STO STOP"), {"STOPPED"});
  CHECK(all.text == "STO STOP");
  CHECK_FALSE(all.stopped);
}

TEST_CASE("Of several stop strings the first to be complete ends the text, the longest where several are") {
  CHECK(stream(byte_tokens("xabcdy"), {"abcd", "bc"}).text == "xa");
  CHECK(stream(byte_tokens("xabcy"), {"c", "bc", "abc"}).text == "x");
}

TEST_CASE("Stop strings at every split of random text agree with a search in the whole text") {
  std::mt19937 random(6);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    std::string stop;
    for (auto left = random() % 30; left > 0; --left) text += "ab"[random() % 2];
    for (auto left = 1 + random() % 5; left > 0; --left) stop += "ab"[random() % 2];
    auto const all = stream(byte_tokens(text), {stop});
    CHECK(all.text == text.substr(0, text.find(stop)));
    CHECK(all.stopped == (text.find(stop) != std::string::npos));
    CHECK(stream(tiny_model().tokens->encode(text).reveal(), {stop}).text == all.text);
  }
}

TEST_CASE("Nothing follows a stop string") {
  auto const stops = make_stops({"."});
  detokenizer stream_of(tiny_model().tokens, stops);
  ephemeral_text out;
  for (auto const id : byte_tokens("a.b")) stream_of.take(id, out);
  stream_of.finish(out);
  CHECK(out.reveal() == "a");
}

TEST_CASE("Empty stop strings are ignored") { CHECK(stream(byte_tokens("ab"), {""}).text == "ab"); }

TEST_CASE("Control tokens are no text") {
  auto const eos = *tiny_model().tokens->eos();
  CHECK(stream({&eos, 1}, {}).text.empty());
}

TEST_CASE("A detokeniser leaves no content memory in use") {
  auto const ids = byte_tokens("some text and \xF0\x9F");
  auto const before = locked_memory_usage().in_use_bytes;
  {
    auto const stops = make_stops({"text and more"});
    detokenizer stream_of(tiny_model().tokens, stops);
    ephemeral_text out;
    for (auto const id : ids) stream_of.take(id, out);
  }
  CHECK(locked_memory_usage().in_use_bytes == before);
}

} // namespace
} // namespace mayfly::gpu
