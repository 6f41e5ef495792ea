GENERAL_OBJS += vmcs-shadow/vmcs_fields.o
GENERAL_OBJS += vmcs-shadow/vmx_caps.o
GENERAL_OBJS += vmcs-shadow/bitmaps.o
GENERAL_OBJS += vmcs-shadow/vmcs02.o
GENERAL_OBJS += vmcs-shadow/vmcs12_save.o
