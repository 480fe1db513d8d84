#include "tests/gpu/core/formats/file_bytes.hpp"

#include <catch2/catch.hpp>
#include <cerrno>

namespace mayfly::gpu::testing {
namespace {

errc code_of(file_bytes const& file) {
  auto const parsed = file.parse();
  return parsed ? errc::ok : parsed.failure().code;
}

} // namespace

TEST_CASE("a GGUF file gives back its values by key and type") {
  auto const bytes = whole_file();
  auto const parsed = bytes.parse();
  REQUIRE(parsed);
  auto const& file = **parsed;
  CHECK(file.text("general.architecture") == "llama");
  CHECK(file.integer("count") == 42);
  CHECK(file.number("count") == 42.0);
  CHECK(file.number("negative") == -7.0);
  CHECK(file.number("real") == 1.5);
  CHECK(file.flag("yes") == true);
  CHECK(file.texts("words") == std::vector<std::string_view>{"a", "", "bcd"});
  CHECK(file.integers("ids") == std::vector<std::int64_t>{-1, 9});
  CHECK(file.numbers("scores") == std::vector<float>{0.5F, -2.0F});
}

TEST_CASE("a key that is absent or of another type gives nothing") {
  auto const bytes = whole_file();
  auto const parsed = bytes.parse();
  REQUIRE(parsed);
  auto const& file = **parsed;
  CHECK_FALSE(file.text("absent"));
  CHECK_FALSE(file.text("count"));
  CHECK_FALSE(file.integer("negative"));
  CHECK_FALSE(file.integer("real"));
  CHECK_FALSE(file.flag("count"));
  CHECK_FALSE(file.text("words"));
  CHECK(file.texts("ids").empty());
  CHECK(file.integers("scores").empty());
  CHECK(file.numbers("words").empty());
}

TEST_CASE("a tensor's first dimension is its columns, the product of the others its rows") {
  auto const bytes = whole_file();
  auto const parsed = bytes.parse();
  REQUIRE(parsed);
  auto const matrix = (*parsed)->tensor("matrix");
  REQUIRE(matrix);
  CHECK(matrix->type == tensor_type::q8_0);
  CHECK(matrix->columns == 32);
  CHECK(matrix->rows == 2);
  CHECK(matrix->data.size() == 68);
  CHECK(matrix->data.front() == std::byte{1});
  auto const vector = (*parsed)->tensor("vector");
  REQUIRE(vector);
  CHECK(vector->rows == 1);
  CHECK(vector->data.front() == std::byte{2});
  CHECK_FALSE((*parsed)->tensor("absent"));
  CHECK((*parsed)->tensor_names() == std::vector<std::string_view>{"matrix", "vector"});
}

TEST_CASE("a GGUF file cut anywhere is refused") {
  auto const whole = whole_file().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> const cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    auto const parsed = gguf_file::parse(cut);
    INFO("size " << size);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.failure().code == errc::truncated);
    CHECK(parsed.failure().number <= static_cast<std::int64_t>(size));
  }
}

TEST_CASE("a GGUF file with any byte changed is refused, or read within its bounds") {
  auto const whole = whole_file().bytes();
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int const change : {0x01, 0x80, 0xFF}) {
      auto bytes = whole;
      bytes[at] ^= static_cast<std::byte>(change);
      auto const parsed = gguf_file::parse(bytes);
      refused += parsed ? 0U : 1U;
      if (!parsed) continue;
      for (auto const name : (*parsed)->tensor_names()) {
        auto const tensor = (*parsed)->tensor(name);
        REQUIRE(tensor);
        REQUIRE(tensor->data.data() >= bytes.data());
        REQUIRE(tensor->data.data() + tensor->data.size() <= bytes.data() + bytes.size());
      }
      for (auto const word : (*parsed)->texts("words")) {
        REQUIRE(word.data() + word.size() <= reinterpret_cast<char const*>(bytes.data() + bytes.size()));
      }
    }
  }
  CHECK(refused > whole.size() / 2);
}

TEST_CASE("what is no GGUF file, or of another version, is refused") {
  CHECK(code_of(file_bytes().number<std::uint64_t>(0).number<std::uint64_t>(0).number<std::uint64_t>(0)) ==
        errc::malformed);
  CHECK(code_of(file_bytes().header(0, 0, 1)) == errc::unsupported);
  CHECK(code_of(file_bytes().header(0, 0, 4)) == errc::unsupported);
  CHECK(code_of(file_bytes().header(0, 0, 2)) == errc::ok);
}

TEST_CASE("counts and lengths beyond the file are refused before anything is allocated for them") {
  CHECK(code_of(file_bytes().header(UINT64_MAX, 0)) == errc::too_large);
  CHECK(code_of(file_bytes().header(0, UINT64_MAX)) == errc::too_large);
  CHECK(code_of(file_bytes().header(1000, 0)) == errc::truncated);
  CHECK(code_of(file_bytes().header(0, 1).number<std::uint64_t>(UINT64_MAX).data(64, std::byte{0})) ==
        errc::truncated);
  for (std::uint32_t const type : {0U, 4U, 8U, 10U}) {
    auto const file = file_bytes()
                          .header(0, 1)
                          .key("k", 9)
                          .number(type)
                          .number<std::uint64_t>(UINT64_MAX / 4)
                          .data(64, std::byte{0});
    CHECK(code_of(file) == errc::truncated);
  }
}

TEST_CASE("keys and tensors that appear twice are refused") {
  auto const keys =
      file_bytes().header(0, 2).key("k", 0).number<std::uint8_t>(1).key("k", 0).number<std::uint8_t>(2);
  CHECK(code_of(keys) == errc::malformed);
  auto const tensors = file_bytes()
                           .header(2, 0)
                           .tensor("t", {1}, 0, 0)
                           .tensor("t", {1}, 0, 0)
                           .align(32)
                           .data(64, std::byte{0});
  CHECK(code_of(tensors) == errc::malformed);
}

TEST_CASE("unknown value types, nested arrays and unknown tensor types are refused by their kind of error") {
  CHECK(code_of(file_bytes().header(0, 1).key("k", 13).data(16, std::byte{0})) == errc::malformed);
  CHECK(code_of(file_bytes().header(0, 1).key("k", 9).number<std::uint32_t>(9).number<std::uint64_t>(0).data(
            16, std::byte{0})) == errc::unsupported);
  CHECK(code_of(file_bytes().header(1, 0).tensor("t", {32}, 99, 0).data(64, std::byte{0})) ==
        errc::unsupported);
}

TEST_CASE("shapes that are empty, too large, overflow, or cut a block are refused") {
  auto const with_shape = [](std::vector<std::uint64_t> const& shape, std::uint32_t type) {
    return code_of(file_bytes().header(1, 0).tensor("t", shape, type, 0).align(32).data(256, std::byte{0}));
  };
  CHECK(with_shape({}, 0) == errc::malformed);
  CHECK(with_shape({0}, 0) == errc::malformed);
  CHECK(with_shape({1, 1, 1, 1, 1}, 0) == errc::malformed);
  CHECK(with_shape({33}, 8) == errc::malformed);
  CHECK(with_shape({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0) == errc::too_large);
  CHECK(with_shape({UINT64_MAX}, 0) == errc::too_large);
  CHECK(with_shape({64, 2}, 0) == errc::truncated);
  CHECK(with_shape({32, 2}, 0) == errc::ok);
}

TEST_CASE("tensors that are not aligned or run past the end are refused") {
  auto const at = [](std::uint64_t offset) {
    return code_of(file_bytes().header(1, 0).tensor("t", {8}, 0, offset).align(32).data(64, std::byte{0}));
  };
  CHECK(at(0) == errc::ok);
  CHECK(at(32) == errc::ok);
  CHECK(at(4) == errc::malformed);
  CHECK(at(64) == errc::truncated);
  CHECK(at(UINT64_MAX - 31) == errc::truncated);
}

TEST_CASE("general.alignment moves the data, and must be a power of two") {
  auto const aligned = [](std::uint32_t alignment) {
    file_bytes file;
    file.header(1, 1).key("general.alignment", 4).number(alignment);
    return file.tensor("t", {1}, 0, 0).align(64).data(4, std::byte{7});
  };
  auto const bytes = aligned(64);
  auto const parsed = bytes.parse();
  REQUIRE(parsed);
  CHECK((*parsed)->tensor("t")->data.front() == std::byte{7});
  CHECK(code_of(aligned(48)) == errc::malformed);
  CHECK(code_of(aligned(0)) == errc::malformed);
}

TEST_CASE("the models of the tests open, and a file that is not there says why") {
  auto const model = gguf_file::open(MAYFLY_TEST_MODELS "/tiny-default-5.8M-q8_0.gguf");
  REQUIRE(model);
  CHECK((*model)->text("general.architecture") == "llama");
  CHECK((*model)->texts("tokenizer.ggml.tokens").size() == 4096);
  CHECK((*model)->tensor_names().size() == 56);
  auto const absent = gguf_file::open(MAYFLY_TEST_MODELS "/no-such-file.gguf");
  REQUIRE_FALSE(absent);
  CHECK(absent.failure().code == errc::io);
  CHECK(absent.failure().number == ENOENT);
  CHECK_FALSE(gguf_file::open(MAYFLY_TEST_MODELS));
}

} // namespace mayfly::gpu::testing
