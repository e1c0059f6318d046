"""All figures of the workbook: one module a lesson, one look."""
