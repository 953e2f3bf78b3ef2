#include "loader/model/config_rewrite.h"

#include <gtest/gtest.h>

#include <string>

namespace ecf8 {
namespace {

TEST(ConfigRewriteTest, KeepsTheOrderAndTheOriginalValue) {
  EXPECT_EQ(
      RewriteConfig(R"({"z":1,"quantization_config":{"quant_method":"fp8","b":[1]},"a":"ü"})"),
      "{\n"
      "  \"z\": 1,\n"
      "  \"quantization_config\": {\n"
      "    \"quant_method\": \"ecf8\",\n"
      "    \"base\": {\n"
      "      \"quant_method\": \"fp8\",\n"
      "      \"b\": [\n"
      "        1\n"
      "      ]\n"
      "    }\n"
      "  },\n"
      "  \"a\": \"ü\"\n"
      "}\n");
}

TEST(ConfigRewriteTest, NothingBecomesNull) {
  EXPECT_EQ(RewriteConfig("{}"),
            "{\n"
            "  \"quantization_config\": {\n"
            "    \"quant_method\": \"ecf8\",\n"
            "    \"base\": null\n"
            "  }\n"
            "}\n");
}

TEST(ConfigRewriteTest, WhatIsNoJsonObjectIsLeftAlone) {
  for (const std::string& json :
       {std::string(""), std::string("[]"), std::string("{\"a\":Infinity}"), std::string("{"),
        std::string("{} {}"), std::string("{\"a\":\"\xFF\"}"), std::string("{\"a\":1e999}"),
        "{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}"}) {
    EXPECT_FALSE(RewriteConfig(json).has_value()) << json.substr(0, 40);
  }
}

}  // namespace
}  // namespace ecf8
