"""Programs that measure the explorer and the hosted demo, each with the files in ``assets`` that it writes."""
