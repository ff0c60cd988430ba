#include "app/postconf.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include "base/text.h"

extern char** environ;

namespace sluice::app {
namespace {

constexpr std::size_t kMaxOutput = 4u << 20;

std::string_view blank_trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

// Standard output of a program; an error when it ends with one.
Result<std::string> output_of(std::vector<std::string> words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return temporary("no pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  const int started = ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string text;
  char buffer[65536];
  for (ssize_t n; started == 0 && (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    if (text.size() < kMaxOutput) text.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  if (started != 0) return temporary(words[0] + " is not there");
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) return config_error(words[0] + " does not like its configuration");
  return text;
}

std::pair<std::string, std::string> name_and_value(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return {std::string(blank_trimmed(text)), {}};
  return {std::string(blank_trimmed(text.substr(0, equals))), std::string(blank_trimmed(text.substr(equals + 1)))};
}

// Words of a line of `postconf -M`; braces hold together.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  int depth = 0;
  for (const char c : line) {
    if (c == '{') ++depth;
    if (c == '}') --depth;
    if (depth <= 0 && std::isspace(static_cast<unsigned char>(c)) != 0) {
      if (!word.empty()) words.push_back(std::exchange(word, {}));
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

// "25 inet n - y - - smtpd -o name=value …"
std::optional<SmtpdService> parse_service(std::string_view line) {
  const auto words = words_of(line);
  if (words.size() < 8 || words[1] != "inet" || words[7] != "smtpd") return std::nullopt;
  SmtpdService service;
  service.name = words[0];
  service.is_chrooted = words[4] == "y";
  for (std::size_t i = 8; i + 1 < words.size(); ++i) {
    if (words[i] != "-o") continue;
    std::string_view setting = words[++i];
    if (setting.size() > 1 && setting.front() == '{') setting = setting.substr(1, setting.size() - 2);
    const auto [name, value] = name_and_value(setting);
    service.overrides[name] = value;
  }
  return service;
}

}  // namespace

Result<Postconf> Postconf::read(const std::string& folder) {
  auto parameters = output_of({"postconf", "-c", folder, "-x"});
  if (!parameters) return tl::unexpected(parameters.error());
  auto services = output_of({"postconf", "-c", folder, "-M"});
  if (!services) return tl::unexpected(services.error());
  Postconf read;
  for (const std::string_view line : split(*parameters, '\n')) {
    const auto [name, value] = name_and_value(line);
    if (!name.empty()) read.parameters_[name] = value;
  }
  for (const std::string_view line : split(*services, '\n')) {
    if (auto service = parse_service(line)) read.services_.push_back(std::move(*service));
  }
  return read;
}

std::string Postconf::of(const std::string& name) const {
  const auto found = parameters_.find(name);
  return found == parameters_.end() ? std::string() : found->second;
}

std::string Postconf::of(const SmtpdService& service, const std::string& name) const {
  const auto found = service.overrides.find(name);
  if (found == service.overrides.end()) return of(name);
  const std::string& value = found->second;
  if (value.size() < 2 || value.front() != '$') return value;
  std::string_view other = std::string_view(value).substr(1);
  if (other.front() == '{' || other.front() == '(') other = other.substr(1, other.size() - 2);
  return of(std::string(other));
}

Duration parse_postfix_time(std::string_view text) {
  text = blank_trimmed(text);
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || n < 0 || n > 1'000'000'000) return Duration{0};
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t seconds = unit == "m" ? 60 : unit == "h" ? 3'600 : unit == "d" ? 86'400 : unit == "w" ? 604'800 : 1;
  if (!unit.empty() && std::string_view("smhdw").find(unit) == std::string_view::npos) return Duration{0};
  return Duration{n * seconds * 1'000};
}

std::vector<MilterEntry> parse_milters(std::string_view text) {
  std::vector<MilterEntry> entries;
  while (!(text = blank_trimmed(text)).empty()) {
    if (text.front() == ',') {
      text.remove_prefix(1);
      continue;
    }
    MilterEntry entry;
    if (text.front() == '{') {
      const auto end = std::min(text.find('}'), text.size());
      bool is_first = true;
      for (const std::string_view part : split(text.substr(1, end - 1), ',')) {
        const auto [name, value] = name_and_value(part);
        if (is_first) entry.where = name;
        else entry.options[name] = value;
        is_first = false;
      }
      text.remove_prefix(std::min(end + 1, text.size()));
    } else {
      const auto end = std::min(text.find_first_of(", \t\n"), text.size());
      entry.where = std::string(text.substr(0, end));
      text.remove_prefix(end);
    }
    if (!entry.where.empty()) entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace sluice::app
