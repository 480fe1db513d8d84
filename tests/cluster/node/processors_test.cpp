#include "cluster/node/processors.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

using namespace mayfly::node;

namespace {

using list = std::vector<unsigned>;

} // namespace

TEST_CASE("processes that compute have neighbouring processors each, and none has another's") {
  list const allowed{0, 1, 4, 5, 6, 7, 9};
  CHECK(share_of_processors(allowed, 0, 2, 3) == list{0, 1, 4});
  CHECK(share_of_processors(allowed, 1, 2, 3) == list{5, 6, 7});
  CHECK(share_of_processors(allowed, 2, 3, 1) == list{6, 7});
  CHECK(share_of_processors(allowed, 0, 1, 1) == allowed);
}

TEST_CASE("where there are too few processors for each to have its own, they may all run on any") {
  list const allowed{0, 1};
  CHECK(share_of_processors(allowed, 0, 3, 1).empty());
  CHECK(share_of_processors(allowed, 0, 2, 2).empty());
  CHECK(share_of_processors({}, 0, 1, 0).empty());
}

TEST_CASE("a thread keeps to the processors that it was given, and so do those that it starts") {
  auto const allowed = allowed_processors();
  REQUIRE_FALSE(allowed.empty());
  list inherited;
  std::thread([&] {
    keep_to({});
    CHECK(allowed_processors() == allowed);
    keep_to(std::span(allowed).last(1));
    std::thread([&] { inherited = allowed_processors(); }).join();
  }).join();
  CHECK(inherited == list{allowed.back()});
  CHECK(allowed_processors() == allowed);
}
