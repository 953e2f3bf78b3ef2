// Early return for absl::Status and absl::StatusOr.
//
//   ECF8_RETURN_IF_ERROR(file.Sync());
//   ECF8_ASSIGN_OR_RETURN(Manifest manifest, ParseManifest(bytes));
//
// Both evaluate their argument once. Use them only in functions that return Status or StatusOr.
#ifndef ECF8_DECODER_STATUS_MACROS_H_
#define ECF8_DECODER_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define ECF8_RETURN_IF_ERROR(expression)                              \
  do {                                                                \
    if (absl::Status ecf8_status = (expression); !ecf8_status.ok()) { \
      return ecf8_status;                                             \
    }                                                                 \
  } while (false)

#define ECF8_STATUS_CONCAT_INNER(a, b) a##b
#define ECF8_STATUS_CONCAT(a, b) ECF8_STATUS_CONCAT_INNER(a, b)

#define ECF8_ASSIGN_OR_RETURN(declaration, expression) \
  ECF8_ASSIGN_OR_RETURN_IMPL(ECF8_STATUS_CONCAT(ecf8_result_, __LINE__), declaration, expression)

// A declaration cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define ECF8_ASSIGN_OR_RETURN_IMPL(result, declaration, expression) \
  auto result = (expression);                                       \
  if (!result.ok()) return std::move(result).status();              \
  declaration = *std::move(result)
// NOLINTEND(bugprone-macro-parentheses)

#endif  // ECF8_DECODER_STATUS_MACROS_H_
