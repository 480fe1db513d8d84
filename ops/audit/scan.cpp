// residue_scan: looks for needles in the readable memory of processes and in files.
//
//   residue_scan NEEDLES (PID | FILE)...
//
// NEEDLES holds frames: u32 length of the label, label, u32 length, bytes (at least 8, little-endian
// lengths). For every needle found: one line "LABEL WHERE ADDRESS" on standard output. Memory that cannot be
// read is a line "UNREADABLE WHERE MAPPING": a failure, but for the kernel's own mappings. Ends with "SCANNED
// BYTES". Exit status: 0 nothing found, 1 something found or unreadable, 2 the scan could not be done.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace {

constexpr std::size_t window_bytes = 8;
constexpr std::size_t piece_bytes = std::size_t{16} << 20;
constexpr std::size_t filter_bits = std::size_t{1} << 22;

struct needle {
  std::string label;
  std::string bytes;
};

std::uint64_t window_at(char const* place) {
  std::uint64_t window = 0;
  std::memcpy(&window, place, window_bytes);
  return window;
}

/// Needles by their first eight bytes, behind a bitmap that turns nearly every place away.
class needle_index {
public:
  void add(needle found) {
    auto const window = window_at(found.bytes.data());
    filter_[hash(window) / 64] |= std::uint64_t{1} << (hash(window) % 64);
    needles_[window].push_back(std::move(found));
    ++count_;
  }
  std::size_t count() const { return count_; }

  template <class Found>
  void search(std::string_view memory, Found const& found) const {
    if (memory.size() < window_bytes) return;
    for (std::size_t at = 0; at + window_bytes <= memory.size(); ++at) {
      auto const window = window_at(memory.data() + at);
      auto const slot = hash(window);
      if (((filter_[slot / 64] >> (slot % 64)) & 1) == 0) continue;
      auto const candidates = needles_.find(window);
      if (candidates == needles_.end()) continue;
      for (auto const& candidate : candidates->second)
        if (memory.substr(at, candidate.bytes.size()) == candidate.bytes) found(candidate, at);
    }
  }

private:
  static std::size_t hash(std::uint64_t window) { return (window * 0x9E3779B97F4A7C15ULL) >> (64 - 22); }
  static_assert(filter_bits == std::size_t{1} << 22);
  std::vector<std::uint64_t> filter_ = std::vector<std::uint64_t>(filter_bits / 64);
  std::unordered_map<std::uint64_t, std::vector<needle>> needles_;
  std::size_t count_ = 0;
};

bool read_frame(std::istream& from, std::string& into) {
  std::uint32_t length = 0;
  if (!from.read(reinterpret_cast<char*>(&length), sizeof length)) return false;
  into.resize(length);
  return static_cast<bool>(from.read(into.data(), length));
}

bool load(char const* path, needle_index& index) {
  std::ifstream file(path, std::ios::binary);
  needle next;
  while (read_frame(file, next.label) && read_frame(file, next.bytes)) {
    if (next.bytes.size() < window_bytes) return false;
    index.add(next);
  }
  return index.count() != 0;
}

struct totals {
  std::uint64_t scanned_bytes = 0;
  std::uint64_t findings = 0;
};

/// Reads [begin, end) of a descriptor in pieces that overlap, so that no needle is cut. False where reading
/// fails.
bool scan_range(int descriptor, std::uint64_t begin, std::uint64_t end, std::string const& where,
                needle_index const& index, totals& sum) {
  static std::vector<char> buffer(piece_bytes);
  constexpr std::uint64_t overlap = 256;
  for (std::uint64_t at = begin; at < end;) {
    auto const wanted = std::min<std::uint64_t>(piece_bytes, end - at);
    auto const got = pread(descriptor, buffer.data(), wanted, static_cast<off_t>(at));
    if (got <= 0) return false;
    sum.scanned_bytes += static_cast<std::uint64_t>(got);
    index.search({buffer.data(), static_cast<std::size_t>(got)}, [&](needle const& hit, std::size_t offset) {
      ++sum.findings;
      std::printf("%s %s %llx\n", hit.label.c_str(), where.c_str(),
                  static_cast<unsigned long long>(at) + offset);
    });
    auto const step = static_cast<std::uint64_t>(got);
    at += at + step < end && step > overlap ? step - overlap : step;
  }
  return true;
}

/// Mappings that belong to the kernel: it lets nobody read them, and no program writes to them.
bool is_kernels(std::string_view mapping) {
  return mapping == "[vvar]" || mapping == "[vsyscall]" || mapping == "[vvar_vclock]" || mapping == "[vdso]";
}

/// Addresses of the mappings of which any page is in memory or in swap.
std::set<std::string> mappings_with_pages(std::string const& pid) {
  std::ifstream maps("/proc/" + pid + "/smaps");
  std::set<std::string> found;
  std::string line, addresses;
  while (std::getline(maps, line)) {
    if (line.find(':') > line.find(' ')) addresses = line.substr(0, line.find(' ')); // else "Name:  value"
    bool const counts = line.starts_with("Rss:") || line.starts_with("Swap:");
    if (counts && line.find(" 0 kB") == std::string::npos) found.insert(addresses);
  }
  return found;
}

void scan_process(std::string const& pid, needle_index const& index, totals& sum) {
  std::ifstream maps("/proc/" + pid + "/maps");
  int const memory = open(("/proc/" + pid + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  auto const with_pages = mappings_with_pages(pid);
  std::string line;
  bool any = false;
  while (std::getline(maps, line)) {
    any = true;
    std::istringstream fields(line);
    std::string addresses, rights, offset, device, inode, mapping;
    fields >> addresses >> rights >> offset >> device >> inode >> mapping;
    // Guard pages and reserved addresses. What was never touched has no page to read; the rest is read like
    // any other.
    if (rights.front() != 'r' && !with_pages.contains(addresses)) continue;
    auto const dash = addresses.find('-');
    auto const begin = std::stoull(addresses.substr(0, dash), nullptr, 16);
    auto const end = std::stoull(addresses.substr(dash + 1), nullptr, 16);
    auto const where = pid + ":" + (mapping.empty() ? "[anonymous]" : mapping);
    if (is_kernels(mapping) || scan_range(memory, begin, end, where, index, sum)) continue;
    ++sum.findings;
    std::printf("UNREADABLE %s %s\n", where.c_str(), addresses.c_str());
  }
  if (!any || memory < 0) {
    ++sum.findings;
    std::printf("UNREADABLE %s the whole process\n", pid.c_str());
  }
  if (memory >= 0) close(memory);
}

void scan_file(std::string const& path, needle_index const& index, totals& sum) {
  int const file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    ++sum.findings;
    std::printf("UNREADABLE %s -\n", path.c_str());
    return;
  }
  auto const size = lseek(file, 0, SEEK_END);
  if (size > 0) (void)scan_range(file, 0, static_cast<std::uint64_t>(size), path, index, sum);
  close(file);
}

} // namespace

int main(int count, char** arguments) {
  needle_index index;
  if (count < 3 || !load(arguments[1], index)) {
    std::fprintf(stderr, "usage: residue_scan NEEDLES (PID | FILE)...; every needle has at least 8 bytes\n");
    return 2;
  }
  totals sum;
  for (int place = 2; place < count; ++place) {
    std::string const target = arguments[place];
    bool const is_pid = target.find_first_not_of("0123456789") == std::string::npos;
    if (is_pid)
      scan_process(target, index, sum);
    else
      scan_file(target, index, sum);
  }
  std::printf("SCANNED %llu\n", static_cast<unsigned long long>(sum.scanned_bytes));
  return sum.findings == 0 ? 0 : 1;
}
