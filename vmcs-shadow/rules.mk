GENERAL_OBJS += vmcs-shadow/vmcs_fields.o
GENERAL_OBJS += vmcs-shadow/vmx_caps.o
GENERAL_OBJS += vmcs-shadow/bitmaps.o
