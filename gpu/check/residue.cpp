// What requests leave in the device's memory. Sixteen-byte pieces of a running request's keys, values,
// activations and logits are noted; after its end they are searched for: in the memory that held it, in all
// that can be allocated after that was freed, and from a second process after the first was killed. With
// wiping off the same search must find them.
//
//   check_residue here        all of this within one process, and the control
//   check_residue hold FILE   notes pieces in FILE, says "holding", waits to be killed in mid-request
//   check_residue scan FILE   searches all memory that can be had for what FILE says
#include "gpu/check/conversations.hpp"
#include "gpu/check/device_material.hpp"
#include "gpu/check/findings.hpp"
#include "gpu/check/machine.hpp"
#include "gpu/check/probes.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

namespace mayfly::gpu::check {
namespace {

constexpr char const* model = MAYFLY_TEST_MODELS "/tiny-default-5.8M-q8_0.gguf";
constexpr std::size_t most_pieces = 256;
constexpr std::size_t fetched_at_once = std::size_t{4} << 20U;
constexpr int steps_before_the_look = 4;

struct counts {
  unsigned long long found = 0;  ///< pieces of a request
  unsigned long long filled = 0; ///< 16-byte words that are not zero
};

/// Searches spans of memory that the device reaches.
class searcher {
public:
  searcher(cuda::device_queue& queue, std::vector<inverted_piece> const& pieces)
      : queue_(queue), pieces_(pieces.size()), host_(take(cuda::memory_place::pinned)),
        device_(take(cuda::memory_place::device)) {
    std::memcpy(host_, pieces.data(), pieces.size() * sizeof(inverted_piece));
    std::memset(host_ + counts_at, 0, sizeof(counts));
    queue_.copy(device_, host_, bytes);
  }
  ~searcher() {
    queue_.free(host_, cuda::memory_place::pinned);
    queue_.free(device_, cuda::memory_place::device);
  }
  searcher(searcher const&) = delete;
  searcher& operator=(searcher const&) = delete;

  void look(void const* memory, std::size_t size) {
    search(queue_, memory, size, reinterpret_cast<inverted_piece const*>(device_),
           static_cast<std::uint32_t>(pieces_), reinterpret_cast<unsigned long long*>(device_ + counts_at));
  }
  counts total() {
    queue_.copy(host_ + counts_at, device_ + counts_at, sizeof(counts));
    must(queue_.wait(), "the search");
    counts all;
    std::memcpy(&all, host_ + counts_at, sizeof all);
    return all;
  }

private:
  static constexpr std::size_t counts_at = most_pieces * sizeof(inverted_piece);
  static constexpr std::size_t bytes = counts_at + sizeof(counts);
  std::byte* take(cuda::memory_place place) {
    auto* const memory = queue_.allocate(bytes, place);
    if (memory == nullptr) throw std::runtime_error("no memory for the search");
    return memory;
  }

  cuda::device_queue& queue_;
  std::size_t pieces_;
  std::byte* host_;
  std::byte* device_;
};

/// Content, not tables or padding: four words that differ, none small, none all ones.
bool is_telling(inverted_piece const& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] < 0x10000U || words[i] > 0xFFFF0000U) return false;
    for (std::size_t other = 0; other < i; ++other)
      if (words[i] == words[other]) return false;
  }
  return true;
}

/// Pieces of all that the backend holds of content now, evenly spread.
std::vector<inverted_piece> note_pieces(cuda::cuda_backend& device) {
  std::vector<inverted_piece> all;
  auto& queue = device.queue();
  auto* const host = queue.allocate(fetched_at_once, cuda::memory_place::pinned);
  if (host == nullptr) throw std::runtime_error("no pinned memory");
  auto areas = device.content_memory();
  areas.pop_back(); // staging: the host's
  for (auto const area : areas) {
    for (std::size_t begin = 0; begin < area.size(); begin += fetched_at_once) {
      auto const size = std::min(fetched_at_once, area.size() - begin);
      queue.copy(host, area.data() + begin, size);
      must(queue.wait(), "looking at content");
      for (std::size_t at = 0; at + 16 <= size; at += 16) {
        inverted_piece words{};
        std::memcpy(words.data(), host + at, sizeof words);
        if (!is_telling(words)) continue;
        for (auto& word : words) word = ~word;
        all.push_back(words);
      }
    }
  }
  std::memset(host, 0, fetched_at_once);
  queue.free(host, cuda::memory_place::pinned);
  std::vector<inverted_piece> some;
  auto const step = std::max<std::size_t>(all.size() / most_pieces, 1);
  for (std::size_t at = 0; at < all.size() && some.size() < most_pieces; at += step) some.push_back(all[at]);
  return some;
}

counts look_at(cuda::cuda_backend& device, std::vector<inverted_piece> const& pieces) {
  searcher looking(device.queue(), pieces);
  for (auto const area : device.content_memory()) looking.look(area.data(), area.size() / 16 * 16);
  return looking.total();
}

/// Takes all memory that the device still gives, and searches it.
counts look_everywhere(std::vector<inverted_piece> const& pieces, std::size_t& searched) {
  auto const queue = open_queue();
  if (queue == nullptr) throw std::runtime_error("no device");
  searcher looking(*queue, pieces);
  std::vector<std::byte*> taken;
  for (auto const size : {std::size_t{1} << 30U, std::size_t{32} << 20U, std::size_t{2} << 20U}) {
    while (auto* const memory = queue->allocate(size, cuda::memory_place::device)) {
      taken.push_back(memory);
      searched += size;
      looking.look(memory, size);
    }
  }
  auto const all = looking.total();
  for (auto* const memory : taken) queue->free(memory, cuda::memory_place::device);
  return all;
}

/// An engine in the middle of three requests.
struct busy_engine {
  explicit busy_engine(machine_faults const& faults) {
    auto made = open_backend(faults);
    if (made == nullptr) throw std::runtime_error("no device");
    device = made.get();
    subject = load_engine(model, std::move(made), {64, 4, 32, 384});
    for (std::uint32_t number = 0; number < 3; ++number)
      if (!subject->submit(request_number(number, 9 + number * 9, 8, subject->vocabulary_size())))
        throw std::runtime_error("a request was refused");
    for (int step = 0; step < steps_before_the_look; ++step) subject->step();
    must(device->synchronize(), "a step");
    pieces = note_pieces(*device);
  }
  void finish() {
    while (subject->has_work()) subject->step();
    subject->scrub();
    must(device->synchronize(), "the end of requests");
  }

  cuda::cuda_backend* device = nullptr;
  std::unique_ptr<paged_engine> subject;
  std::vector<inverted_piece> pieces;
};

void tell_found(std::string const& what, bool held, unsigned long long found, std::string const& unit) {
  tell_held("residue", what, held, static_cast<double>(found), unit);
}

void check_here(bool wipes) {
  machine_faults faults;
  faults.clears_nothing = !wipes;
  std::string const mode = wipes ? "" : "control, wiping off: ";
  std::vector<inverted_piece> pieces;
  {
    busy_engine running(faults);
    pieces = running.pieces;
    auto const before = look_at(*running.device, pieces);
    tell_found(mode + "a running request is found", pieces.size() >= 100 && before.found >= pieces.size(),
               before.found, "pieces");
    running.finish();
    auto const after = look_at(*running.device, pieces);
    if (wipes) {
      tell_found("pieces left where the request was", after.found == 0, after.found, "pieces");
      tell_found("words left where the request was", after.filled == 0, after.filled, "words of 16 bytes");
    } else {
      tell_found(mode + "the request is still found", after.found > 0, after.found, "pieces");
    }
  }
  if (!is_real()) return; // freed host memory is not a device's
  std::size_t searched = 0;
  auto const everywhere = look_everywhere(pieces, searched);
  auto const size = std::to_string(searched >> 30U) + " GiB";
  if (wipes)
    tell_found("pieces in all memory after it was freed", everywhere.found == 0, everywhere.found,
               "pieces in " + size);
  else // a driver that hands out zeroed memory leaves nothing to find: said, not held
    tell_found(mode + "pieces in all memory after it was freed (0: the driver zeroes)", true,
               everywhere.found, "pieces in " + size);
}

int hold(char const* path) {
  busy_engine const running(no_faults);
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<char const*>(running.pieces.data()),
            static_cast<std::streamsize>(running.pieces.size() * sizeof(inverted_piece)));
  out.close();
  if (out.fail()) throw std::runtime_error("pieces cannot be written");
  std::puts("holding");
  std::fflush(stdout);
  for (;;) ::pause();
}

void scan(char const* path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<inverted_piece> pieces;
  inverted_piece next{};
  while (pieces.size() < most_pieces && in.read(reinterpret_cast<char*>(next.data()), sizeof next))
    pieces.push_back(next);
  if (pieces.size() < 100) throw std::runtime_error("too few pieces to search for");
  std::size_t searched = 0;
  auto const all = look_everywhere(pieces, searched);
  tell_found("pieces found by a second process after SIGKILL", all.found == 0, all.found,
             "pieces in " + std::to_string(searched >> 30U) + " GiB");
}

} // namespace
} // namespace mayfly::gpu::check

int main(int count, char** arguments) try {
  using namespace mayfly::gpu::check;
  std::string const mode = count > 1 ? arguments[1] : "";
  if (mode == "here") {
    check_here(true);
    check_here(false);
    return outcome();
  }
  if (mode == "hold" && count == 3) return hold(arguments[2]);
  if (mode == "scan" && count == 3) return scan(arguments[2]), outcome();
  return std::fputs("usage: check_residue here | hold FILE | scan FILE\n", stderr), 2;
} catch (std::exception const& failure) {
  return std::fprintf(stderr, "check_residue: %s\n", failure.what()), 1;
}
