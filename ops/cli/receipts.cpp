#include "actors/api/listing.hpp"
#include "ops/cli/cluster_access.hpp"
#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/receipt_signature.hpp"

#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <sstream>
#include <unistd.h>

namespace mayfly::cli {
namespace {

using receipts = std::vector<messages::signed_receipt>;

/// Every JSON document of a stream, one after the other.
bool read_all(std::istream& from, receipts& into) {
  std::stringstream text;
  text << from.rdbuf();
  std::string const all = text.str();
  boost::json::stream_parser parser;
  boost::json::error_code problem;
  for (std::size_t at = all.find_first_not_of(" \t\r\n"); at != std::string::npos;
       at = all.find_first_not_of(" \t\r\n", at)) {
    parser.reset();
    auto const used = parser.write_some(all.data() + at, all.size() - at, problem);
    if (problem || !parser.done()) return false;
    auto receipt = actors::api::parse_receipt(std::string_view(all).substr(at, used));
    if (!receipt) return false;
    into.push_back(std::move(*receipt));
    at += used;
  }
  return !into.empty();
}

/// What became of a holder's share.
std::string fate(messages::holder_record const& holder) {
  switch (holder.state) {
  case messages::wipe_state::wiped:
    return "wiped " + std::to_string(holder.bytes) + " bytes at " + clock_text(holder.at_unix_ms);
  case messages::wipe_state::exited:
    return "its process ended, and its memory with it, by " + clock_text(holder.at_unix_ms);
  case messages::wipe_state::unconfirmed:
    return "UNCONFIRMED: it did not report, and may still hold its share";
  case messages::wipe_state::pending:
    break;
  }
  return "PENDING";
}

void print(messages::receipt const& body) {
  std::cout << "request    " << body.request.text() << "\nmodel      " << body.model.view() << "\nopened     "
            << clock_text(body.opened_at_unix_ms) << "\nclosed     " << clock_text(body.closed_at_unix_ms)
            << "\nconfirmed  " << (body.confirmed ? "yes" : "NO")
            << (body.violation ? " (the lease outlived its deadline)" : "") << "\nsigner     "
            << crypto::to_hexadecimal(body.signer) << "\nplace      " << body.counter
            << " in the signer's chain\n";
  for (auto const& holder : body.holders)
    std::cout << "holder     " << holder.holder.text() << "  " << fate(holder) << '\n';
}

int refused(std::string_view why) {
  std::cerr << "mayfly: NOT valid: " << why << '\n';
  return 1;
}

/// Receipts of one signer in order of their counters; neighbours must be chained, gaps are named.
int verify_order(receipts const& all) {
  for (std::size_t index = 1; index < all.size(); ++index) {
    auto const& before = all[index - 1].body;
    auto const& here = all[index].body;
    if (here.signer != before.signer) return refused("receipts of different signers in one file");
    if (here.counter <= before.counter) return refused("the receipts are not in the order of their chain");
    if (here.counter == before.counter + 1 && here.previous != crypto::chain_hash(all[index - 1]))
      return refused("a receipt does not follow the one before it");
    if (here.counter != before.counter + 1)
      std::cout << "between    " << here.counter - before.counter - 1
                << " receipts of the chain are not in this file\n";
  }
  return 0;
}

} // namespace

int receipt_verify(std::filesystem::path const& file, std::string const& signer) {
  receipts all;
  bool const piped = file == "-";
  if (piped && isatty(STDIN_FILENO) == 1) std::cerr << "Reading a receipt's JSON from the terminal ...\n";
  std::ifstream stream(file);
  if (!piped && !stream) return refused(file.native() + " cannot be read");
  if (!read_all(piped ? std::cin : stream, all)) return refused("this is not a final receipt's JSON");
  messages::bytes32 expected{};
  if (!signer.empty() && !crypto::from_hexadecimal(signer, expected))
    return refused("--signer takes 64 hexadecimal digits");
  for (auto const& receipt : all) {
    if (!crypto::verify(receipt)) return refused("the signature does not hold: the receipt was changed");
    if (!signer.empty() && receipt.body.signer != expected) return refused("another key signed it");
    print(receipt.body);
  }
  if (int const status = verify_order(all); status != 0) return status;
  std::cout << (all.size() == 1 ? "The signature holds" : "Every signature holds");
  if (signer.empty())
    std::cout
        << ", but anybody can sign: give --signer the key that you expect (cluster.json's receipt_key).\n";
  else
    std::cout << ", and it is the expected key's.\n";
  return 0;
}

} // namespace mayfly::cli
