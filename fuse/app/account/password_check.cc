#include "fuse/app/account/password_check.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

namespace skymoor::client {
namespace {

constexpr std::size_t kMinDistinct = 5;

/// What lists of leaked passwords begin with; longer passwords made of these alone are as bad.
constexpr std::array<std::string_view, 24> kCommon = {
    "password", "passwort", "passw0rd", "qwerty", "qwertz", "azerty",  "letmein", "welcome",
    "iloveyou", "admin",    "dragon",   "monkey", "master", "sunshine", "princess", "football",
    "baseball", "trustno",  "abc123",   "secret", "login",  "changeme", "skymoor", "default"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

void erase_all(std::string& text, std::string_view word) {
  if (word.size() < 3) return;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word)) text.erase(at, word.size());
}

/// Characters that are not just one more or one less than the one before, nor the same.
std::size_t unpredictable(std::string_view text) {
  std::size_t count = text.empty() ? 0 : 1;
  for (std::size_t i = 1; i < text.size(); ++i)
    if (std::abs(static_cast<unsigned char>(text[i]) - static_cast<unsigned char>(text[i - 1])) > 1) ++count;
  return count;
}

Error weak(const std::string& why) {
  return Error(Code::kInvalidArgument, "this password is too easy to guess: " + why +
                                           ". Several unrelated words are easy to remember and hard to guess "
                                           "(--allow-weak-password takes it as it is)");
}

}  // namespace

Status check_password(std::string_view password, std::string_view user_name, bool allow_weak) {
  if (password.empty()) return Error(Code::kInvalidArgument, "the password is empty");
  if (password.size() > kMaxPasswordBytes)
    return Error(Code::kInvalidArgument, "the password is longer than " + std::to_string(kMaxPasswordBytes) + " bytes");
  if (allow_weak) return {};
  if (password.size() < kMinPasswordBytes)
    return weak("it has fewer than " + std::to_string(kMinPasswordBytes) + " characters");
  if (std::set<char>(password.begin(), password.end()).size() < kMinDistinct)
    return weak("it has fewer than " + std::to_string(kMinDistinct) + " different characters");
  if (std::all_of(password.begin(), password.end(), [](unsigned char c) { return std::isdigit(c); }))
    return weak("it is only digits");
  if (unpredictable(password) < kMinDistinct) return weak("it is a row of neighbours");
  std::string rest = lower(password);
  erase_all(rest, lower(user_name));
  for (std::string_view word : kCommon) erase_all(rest, word);
  if (rest.size() < kMinDistinct) return weak("it is the user name or a very common word, with little added");
  return {};
}

}  // namespace skymoor::client
