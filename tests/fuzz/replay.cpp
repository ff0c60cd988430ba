// The main of a fuzz target outside libFuzzer:  <target> CORPUS_FOLDER MUTATIONS [SEED]
// Runs the target on every file of the folder (by name), on nothing, and on MUTATIONS inputs made
// from them; the same seed makes the same inputs. When the target dies, the input is printed as
// hexadecimal octets.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kMaxInput = 1 << 16;

std::string current_input;

void print_input(int signal) {
  constexpr char digits[] = "0123456789abcdef";
  constexpr char label[] = "input: ";
  ssize_t written = write(STDERR_FILENO, label, sizeof label - 1);
  for (const char c : current_input) {
    const auto octet = static_cast<std::uint8_t>(c);
    const char text[3] = {digits[octet >> 4], digits[octet & 0xF], ' '};
    written += write(STDERR_FILENO, text, sizeof text);
  }
  written += write(STDERR_FILENO, "\n", 1);
  std::signal(signal, SIG_DFL);
  std::raise(written > 0 ? signal : SIGKILL);
}

void run(const std::string& input) {
  current_input = input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current_input.data()),
                         current_input.size());
}

std::vector<std::string> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs{std::string()};
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, std::uint64_t seed)
      : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string input = pick();
    for (std::size_t changes = 1 + below(6); changes > 0; --changes) change(input);
    input.resize(std::min(input.size(), kMaxInput));
    return input;
  }

 private:
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
  const std::string& pick() { return corpus_[below(corpus_.size())]; }
  std::size_t place(const std::string& input) { return below(input.size() + 1); }

  char octet() {
    // Half of the time one that means something to some grammar.
    static constexpr std::string_view telling =
        "\0\t\n\r \"#%'()*+,-./0159:;<=>@AZ[\\]_az{}~\x7f\x80\xc3\xe2\xff"sv;
    return below(2) == 0 ? telling[below(telling.size())] : static_cast<char>(below(256));
  }

  void change(std::string& input) {
    const std::size_t at = place(input);
    switch (below(6)) {
      case 0:
        input.insert(at, 1, octet());
        break;
      case 1:
        input.erase(at, 1 + below(4));
        break;
      case 2:
        if (at < input.size()) input[at] = octet();
        break;
      case 3:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 4: {
        const std::string& other = pick();
        const std::size_t from = place(other);
        input.insert(at, other, from, below(64));
        break;
      }
      default: {
        const std::string piece = input.substr(at, below(32));
        for (std::size_t copies = 1 + below(4); copies > 0 && input.size() < kMaxInput; --copies)
          input.insert(at, piece);
      }
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER MUTATIONS [SEED]\n", argv[0]);
    return 64;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    std::signal(signal, print_input);
  const std::vector<std::string> corpus = read_corpus(argv[1]);
  for (const std::string& input : corpus) run(input);
  Mutator mutator(corpus, argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  const long mutations = std::strtol(argv[2], nullptr, 10);
  for (long i = 0; i < mutations; ++i) run(mutator.next());
  std::printf("%zu inputs of the corpus, %ld mutations\n", corpus.size(), mutations);
  return 0;
}
