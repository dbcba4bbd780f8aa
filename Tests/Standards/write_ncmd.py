#!/usr/bin/env python3
"""write_ncmd.py NAME VALUE: prints an NCMD that writes true or false to a metric, encoded by pysparkplug."""

import sys

from pysparkplug import DataType, Metric, NCmd

metric = Metric(timestamp=1, name=sys.argv[1], datatype=DataType.BOOLEAN, value=sys.argv[2] == "true")
sys.stdout.buffer.write(NCmd(timestamp=1, metrics=(metric,)).encode(include_dtypes=True))
