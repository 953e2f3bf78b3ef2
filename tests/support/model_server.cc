#include "tests/support/model_server.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace ecf8::testing {
namespace {

std::vector<std::string> CommandLine(const std::string& directory, const std::string& own,
                                     const std::vector<std::string>& options) {
  std::vector<std::string> words = {
      "python3",       ECF8_SOURCE_DIR "/tests/support/model_server.py",
      directory,       "--faults",
      own + "/faults", "--log",
      own + "/log"};
  words.insert(words.end(), options.begin(), options.end());
  return words;
}

}  // namespace

ModelServer::ModelServer(const std::string& directory, const std::vector<std::string>& options)
    : process_(CommandLine(directory, directory_.path(), options)) {
  const std::string news = "listening on port ";
  EXPECT_TRUE(process_.Says(news)) << process_.Stderr();
  // The number follows in the same write.
  const std::string text = process_.Stderr();
  const size_t at = text.find(news);
  if (at != std::string::npos) port_ = std::atoi(text.c_str() + at + news.size());
}

std::string ModelServer::Url(const std::string& path, const std::string& scheme) const {
  return scheme + "://127.0.0.1:" + std::to_string(port_) + "/" + path;
}

void ModelServer::SetFaults(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  WriteFile(directory_ / "faults.new", text);
  std::filesystem::rename(directory_ / "faults.new", directory_ / "faults");
}

std::vector<std::string> ModelServer::Log() const {
  std::vector<std::string> lines;
  std::istringstream text(ReadFile(directory_ / "log"));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

}  // namespace ecf8::testing
