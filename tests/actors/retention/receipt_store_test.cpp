// One suite for every receipt store, and the ledger over it.
#include "actors/retention/memory_receipt_store.hpp"
#include "actors/retention/receipt_ledger.hpp"
#include "actors/retention/sqlite_receipt_store.hpp"
#include "protocol/crypto/receipt_signature.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::actors;

namespace {

constexpr request_id request{{100}, 7};

/// A file of its own, gone with the test.
struct store_file {
  store_file() : directory(std::filesystem::temp_directory_path() / ("receipts-" + node_id::make().text())) {
    std::filesystem::create_directory(directory);
  }
  ~store_file() { std::filesystem::remove_all(directory); }
  std::filesystem::path path() const { return directory / "receipts.db"; }
  std::shared_ptr<receipt_store> open() const {
    auto opened = open_sqlite_receipt_store(path());
    REQUIRE(opened.has_value());
    return std::move(*opened);
  }
  std::filesystem::path directory;
};

lease_record lease_of(request_id id) {
  lease_record lease;
  lease.request = id;
  lease.account.fill(std::byte{0xAB});
  lease.model = *name::parse("tiny");
  lease.gateway = node_id{0xFEDCBA9876543210};
  lease.keeper = node_id{100};
  lease.opened_at_unix_ms = 1700000000000;
  lease.ends_at_unix_ms = 1700000060000;
  return lease;
}

messages::signed_receipt receipt_of(request_id id, std::uint64_t counter, bool confirmed) {
  messages::signed_receipt receipt;
  receipt.body.request = id;
  receipt.body.model = *name::parse("tiny");
  receipt.body.counter = counter;
  receipt.body.confirmed = confirmed;
  receipt.body.holders.push_back({node_id{1}, 2, messages::wipe_state::wiped, 4096, 1700000000500});
  return receipt;
}

std::shared_ptr<receipt_store> store_of(std::string const& kind, store_file const& file) {
  if (kind == "memory") return std::make_shared<memory_receipt_store>();
  return file.open();
}

chain_head head_of(std::uint64_t counter) {
  chain_head head;
  head.counter = counter;
  head.hash.fill(static_cast<std::byte>(counter));
  return head;
}

} // namespace

TEST_CASE("receipt stores keep leases until a confirmed receipt") {
  store_file const file;
  std::string const kind = GENERATE("memory", "sqlite");
  auto const store = store_of(kind, file);

  SECTION(kind + ": an empty store has no head, no lease, no receipt") {
    CHECK(*store->head() == chain_head{});
    CHECK(store->open_leases()->empty());
    CHECK_FALSE(store->find(request)->has_value());
  }
  SECTION(kind + ": a lease comes back as it was put, with its holders") {
    REQUIRE(store->put_lease(lease_of(request)).has_value());
    REQUIRE(store->put_holder({request, node_id{5}, 3}).has_value());
    REQUIRE(store->commit().has_value());
    auto const open = *store->open_leases();
    REQUIRE(open.size() == 1);
    auto const expected = lease_of(request);
    CHECK(open[0].request == request);
    CHECK(open[0].account == expected.account);
    CHECK(open[0].model == expected.model);
    CHECK(open[0].gateway == expected.gateway);
    CHECK(open[0].keeper == expected.keeper);
    CHECK(open[0].opened_at_unix_ms == expected.opened_at_unix_ms);
    CHECK(open[0].ends_at_unix_ms == expected.ends_at_unix_ms);
    CHECK_FALSE(open[0].unconfirmed);
    REQUIRE(open[0].holders.size() == 1);
    CHECK(open[0].holders[0].holder == node_id{5});
    CHECK(open[0].holders[0].choice == 3);
  }
  SECTION(kind + ": a confirmed receipt closes its lease") {
    REQUIRE(store->put_lease(lease_of(request)).has_value());
    REQUIRE(store->put_receipt(receipt_of(request, 1, true), head_of(1)).has_value());
    REQUIRE(store->commit().has_value());
    CHECK(store->open_leases()->empty());
    CHECK(*store->head() == head_of(1));
    auto const found = *store->find(request);
    REQUIRE(found.has_value());
    CHECK(found->body.counter == 1);
    CHECK(found->body.holders[0].bytes == 4096);
  }
  SECTION(kind + ": an unconfirmed receipt leaves its lease open and marked, until an amending one") {
    REQUIRE(store->put_lease(lease_of(request)).has_value());
    REQUIRE(store->put_receipt(receipt_of(request, 1, false), head_of(1)).has_value());
    REQUIRE(store->commit().has_value());
    REQUIRE(store->open_leases()->size() == 1);
    CHECK((*store->open_leases())[0].unconfirmed);
    REQUIRE(store->put_receipt(receipt_of(request, 2, true), head_of(2)).has_value());
    REQUIRE(store->commit().has_value());
    CHECK(store->open_leases()->empty());
    CHECK((*store->find(request))->body.counter == 2);
  }
}

TEST_CASE("receipt stores take a batch whole or not at all, and a place in the chain once") {
  store_file const file;
  std::string const kind = GENERATE("memory", "sqlite");
  auto const store = store_of(kind, file);

  SECTION(kind + ": what was rolled back never was") {
    REQUIRE(store->put_lease(lease_of(request)).has_value());
    REQUIRE(store->put_receipt(receipt_of({{1}, 1}, 1, true), head_of(1)).has_value());
    store->roll_back();
    CHECK(store->open_leases()->empty());
    CHECK(*store->head() == chain_head{});
    CHECK_FALSE(store->find({{1}, 1})->has_value());
  }
  SECTION(kind + ": a place in the chain is taken once") {
    REQUIRE(store->put_receipt(receipt_of(request, 1, true), head_of(1)).has_value());
    REQUIRE(store->commit().has_value());
    CHECK_FALSE(store->put_receipt(receipt_of(request, 1, true), head_of(1)).has_value());
    store->roll_back();
    CHECK(*store->head() == head_of(1));
  }
}

TEST_CASE("what SQLite committed outlives the process, what it did not does not") {
  store_file const file;
  {
    auto const store = file.open();
    REQUIRE(store->put_lease(lease_of(request)).has_value());
    REQUIRE(store->commit().has_value());
    REQUIRE(store->put_lease(lease_of({{1}, 1})).has_value());
  }
  auto const store = file.open();
  REQUIRE(store->open_leases()->size() == 1);
  CHECK((*store->open_leases())[0].request == request);
}

TEST_CASE("the receipt file is its owner's alone") {
  store_file const file;
  auto const store = file.open();
  struct stat entry{};
  REQUIRE(stat(file.path().c_str(), &entry) == 0);
  CHECK((entry.st_mode & 0777) == 0600);
}

TEST_CASE("a receipt file that cannot be opened is an error") {
  CHECK(open_sqlite_receipt_store("/nowhere/at/all/receipts.db").failure().code == errc::io);
}

namespace {

/// Refuses commits on demand.
class failing_store final : public receipt_store {
public:
  result<void> put_lease(lease_record const& lease) override { return inner.put_lease(lease); }
  result<void> put_holder(messages::holder_registered const& holder) override {
    return inner.put_holder(holder);
  }
  result<void> put_receipt(messages::signed_receipt const& receipt, chain_head const& head) override {
    return inner.put_receipt(receipt, head);
  }
  result<void> commit() override {
    if (broken) return error{errc::io, "as the test says", 0};
    return inner.commit();
  }
  void roll_back() override { inner.roll_back(); }
  result<std::optional<messages::signed_receipt>> find(request_id id) override { return inner.find(id); }
  result<chain_head> head() override { return inner.head(); }
  result<std::vector<lease_record>> open_leases() override { return inner.open_leases(); }

  memory_receipt_store inner;
  bool broken = false;
};

messages::receipt body_of(std::uint64_t serial) {
  messages::receipt body;
  body.request = {{100}, serial};
  body.confirmed = true;
  return body;
}

} // namespace

TEST_CASE("a chain goes on where an earlier run ended") {
  store_file const file;
  auto const seed = ephemeral_bytes::zeros(32);
  std::vector<messages::signed_receipt> chain;
  for (std::uint64_t run = 0; run < 3; ++run) {
    auto ledger = receipt_ledger::open(file.open(), *crypto::signing_key::from_seed(seed.reveal()));
    REQUIRE(ledger.has_value());
    ledger->issue(body_of(run));
    REQUIRE(ledger->commit().has_value());
    chain.push_back(**ledger->find({{100}, run}));
  }
  CHECK(crypto::verify_chain(chain).has_value());
}

TEST_CASE("receipts that a failing store refused are chained anew once it works") {
  auto const store = std::make_shared<failing_store>();
  auto ledger = receipt_ledger::open(store, crypto::signing_key::generate());
  ledger->issue(body_of(1));
  REQUIRE(ledger->commit().has_value());
  store->broken = true;
  ledger->issue(body_of(2));
  CHECK_FALSE(ledger->commit().has_value());
  CHECK(ledger->head().counter == 1);
  ledger->issue(body_of(3));
  CHECK_FALSE(ledger->commit().has_value());
  CHECK(ledger->unsaved() == 2);
  store->broken = false;
  REQUIRE(ledger->commit().has_value());
  CHECK(ledger->unsaved() == 0);
  std::vector<messages::signed_receipt> chain;
  for (std::uint64_t serial = 1; serial <= 3; ++serial) chain.push_back(**ledger->find({{100}, serial}));
  CHECK(crypto::verify_chain(chain).has_value());
}
